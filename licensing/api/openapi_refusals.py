"""What the OpenAPI document says of refusals: which call is refused by which codes, and what these add."""

from collections.abc import Iterable
from typing import Any

from .problems import PROBLEMS

_SCHEMAS = "#/components/schemas/"
# Whatever is called, it may be refused so; 405 to another method of the same path.
ALWAYS = (
    "bad_request",
    "token_missing",
    "token_invalid",
    "client_not_allowed",
    "method_not_allowed",
    "too_many_requests",
    "internal_error",
    "unavailable",
)
# Members of `Problem` that are there with these codes, and with no other.
ADDED: dict[str, tuple[str, ...]] = {
    "contact_lost": ("contact_deadline",),
    "module_expired": ("expires_on",),
    "warranty_expired": ("warranty_until",),
    "no_free_seat": ("modules",),
    "lease_ended": ("ended_reason", "ended_at"),
    "validation_failed": ("errors",),
    "module_unknown": ("modules",),
    "key_unknown": ("key",),
    "internal_error": ("incident",),
}
# The one member that is not the same with every code that has it.
_MODULES: dict[str, dict[str, Any]] = {
    "no_free_seat": {"$ref": f"{_SCHEMAS}FullModule"},
    "module_unknown": {"type": "string"},
}
_LANGUAGE = {"Content-Language": {"required": True, "schema": {"enum": ["pl", "en"]}}}
_SECONDS = {"type": "integer", "minimum": 1}
_HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"const": "Bearer"}}},
    405: {
        "Allow": {
            "required": True,
            "description": "The methods that the path answers to.",
            "schema": {"type": "string"},
        }
    },
    409: {
        "Retry-After": {
            "description": "Seconds until the earliest seat falls free by itself; missing where none does.",
            "schema": _SECONDS,
        }
    },
    429: {"Retry-After": {"required": True, "description": "Seconds to wait.", "schema": _SECONDS}},
    503: {"Retry-After": {"required": True, "description": "Seconds to wait.", "schema": _SECONDS}},
}


def refusals(codes: Iterable[str]) -> dict[str, Any]:
    """The responses, by status, of a call that may be refused by these codes, and as every call may be."""
    found: dict[int, list[str]] = {}
    for code in (*ALWAYS, *codes):
        found.setdefault(PROBLEMS[code].status, []).append(code)
    return {str(status): _response(status, together) for status, together in sorted(found.items())}


def _response(status: int, codes: list[str]) -> dict[str, Any]:
    each = [_schema(code) for code in codes]
    return {
        "description": ", ".join(codes),
        "headers": {**_LANGUAGE, **_HEADERS.get(status, {})},
        "content": {"application/problem+json": {"schema": each[0] if len(each) == 1 else {"oneOf": each}}},
    }


def _schema(code: str) -> dict[str, Any]:
    """The form of a refusal by this code."""
    members: dict[str, Any] = {"code": {"const": code}}
    if code in _MODULES:
        members["modules"] = {"type": "array", "items": _MODULES[code]}
    schema: dict[str, Any] = {"$ref": f"{_SCHEMAS}Problem", "properties": members}
    if code in ADDED:
        schema["required"] = list(ADDED[code])
    return schema
