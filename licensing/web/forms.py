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


class Outcome(Generic[T]):
    """What a carried out operation returned; always true, also where that is nothing."""

    def __init__(self, value: T) -> None:
        self.value = value
