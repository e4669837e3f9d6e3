"""The moment at which a request sees the portal."""

from django.http import HttpRequest

from licensing.operations.moment import Moment, moment


def moment_of(request: HttpRequest) -> Moment:
    """The same for the view and for the layout around it.

    A view that changes something asks for none before it has done so, or leads to another page.
    """
    found: Moment | None = getattr(request, "moment", None)
    if found is None:
        found = moment()
        request.moment = found  # type: ignore[attr-defined]
    return found
