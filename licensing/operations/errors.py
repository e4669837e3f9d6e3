"""How an operation says no."""

from typing import Any


class Shared(dict[str, Any]):
    """A part of what many refusals add, and may be long: an edge renders it once, and keeps that with it."""

    __slots__ = ("rendered",)

    def __init__(self, **members: Any) -> None:
        super().__init__(**members)
        self.rendered: Any = None


class Refused(Exception):
    """A rule says no: `code` for programs, logs and tests, `detail` for people.

    `detail` may be a lazy translation; `data` is what the code adds (docs: the refusals of the lease API).
    """

    def __init__(self, code: str, detail: Any = "", **data: Any) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.data = data

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code
