"""What every form of the pages shares: an operation's refusal, shown where it belongs."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from django import forms

from licensing.operations.errors import Refused

T = TypeVar("T")


class PageForm(forms.Form):
    """A form that carries out one operation."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)

    def carry_out(self, operation: Callable[[], T]) -> "Outcome[T] | None":
        """Run the operation; where it refuses, show its sentences at the fields, and return None."""
        try:
            return Outcome(operation())
        except Refused as refused:
            if refused.code == "not_permitted":
                raise
            self.show(refused)
            return None

    def show(self, refused: Refused) -> None:
        """Put the sentences of a refusal at the fields that they are about, the rest above the form."""
        by_field: dict[str, list[str]] = refused.data.get("errors") or {}
        for name, sentences in by_field.items():
            for sentence in sentences:
                self.add_error(name if name in self.fields else None, str(sentence))
        if not by_field:
            self.add_error(None, str(refused.detail or refused.code))


class EditForm(PageForm):
    """A form that shows what is stored: only what is changed in it is stored.

    It may stand open for long. A field that was not touched has the value of now, whoever set that meanwhile.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.fields.keys() & self.initial.keys():
            self.fields[name].show_hidden_initial = True

    def full_clean(self) -> None:
        """Clean the form; Django takes for a disabled field what is stored."""
        left = [field for name, field in self.fields.items() if self._is_left_alone(name)]
        for field in left:
            field.disabled = True
        super().full_clean()
        for field in left:
            field.disabled = False

    def _is_left_alone(self, name: str) -> bool:
        """Whether the field was sent as the page showed it."""
        return (
            self[name].html_initial_name in self.data
            and name not in self.changed_data
            and not self.fields[name].disabled
        )


class Outcome(Generic[T]):
    """What a carried out operation returned; always true, also where that is nothing."""

    def __init__(self, value: T) -> None:
        self.value = value
