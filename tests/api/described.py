"""Whether an answer is as the description of the API says."""

import re
from typing import Any

import msgspec

from licensing.api.messages import Problem
from licensing.api.openapi import openapi
from licensing.api.openapi_refusals import ADDED, ALWAYS

COMMON = {"type", "title", "status", "detail", "code"}
TOLD = {"retry-after", "allow", "www-authenticate", "location", "idempotency-replayed", "content-language"}


def codes(operation: dict[str, Any]) -> set[str]:
    """The codes by which a call may be refused, as the document has them."""
    return {code for response in operation["responses"].values() for code in response_codes(response)}


def response_codes(response: dict[str, Any]) -> list[str]:
    """The codes of one status."""
    media = response.get("content", {}).get("application/problem+json")
    if media is None:
        return []
    return [one["properties"]["code"]["const"] for one in media["schema"].get("oneOf", [media["schema"]])]


def check(method: str, path: str, status: int, headers: dict[str, str], body: bytes) -> None:
    """An answer to a call of the API is one of those described; of other paths nothing is said."""
    methods = _methods(path.partition("?")[0])
    if methods is None or method == "HEAD":
        return
    operation = methods.get(method.lower())
    if operation is None:
        assert msgspec.json.decode(body, type=Problem).code in ALWAYS
        return
    response = operation["responses"][str(status)]
    names = {name.lower(): header for name, header in response.get("headers", {}).items()}
    assert headers.keys() & TOLD <= names.keys()
    assert {name for name, header in names.items() if header.get("required")} <= headers.keys()
    assert [headers["content-type"]] == list(response["content"]) if "content" in response else body == b""
    if status >= 400:
        problem = msgspec.json.decode(body, type=Problem)
        assert problem.code in response_codes(response)
        assert msgspec.json.decode(body).keys() == COMMON | {*ADDED.get(problem.code, ())}


def _methods(path: str) -> dict[str, Any] | None:
    for template, methods in openapi()["paths"].items():
        if re.fullmatch("/api/v1" + re.sub(r"\{\w+\}", "[^/]+", template), path):
            return dict(methods)
    return None
