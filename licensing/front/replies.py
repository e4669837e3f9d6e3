"""The API's answers as bytes of HTTP."""

from functools import lru_cache

from licensing.api.exchange import Answer

from .http import Request, fields_of

ALWAYS = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))


def written(request: Request, answer: Answer) -> bytes:
    """An answer of the API to this request."""
    fields = _usual(answer.content_type if answer.status != 204 else None)
    if answer.headers:
        fields += fields_of(answer.headers)
    return request.written(answer.status, fields, answer.body)


@lru_cache(maxsize=16)
def _usual(content_type: str | None) -> str:
    """The fields of every answer with a body of this type, or with none."""
    return fields_of(ALWAYS if content_type is None else (*ALWAYS, ("content-type", content_type)))
