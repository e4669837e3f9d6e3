"""The API's answers as bytes of HTTP."""

from licensing.api.exchange import Answer

from .http import Request

ALWAYS = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))


def written(request: Request, answer: Answer) -> bytes:
    """An answer of the API to this request."""
    if answer.status == 204:
        return request.written(204, [*ALWAYS, *answer.headers])
    headers = [*ALWAYS, *answer.headers, ("content-type", answer.content_type)]
    return request.written(answer.status, headers, answer.body)
