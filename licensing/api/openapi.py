"""The OpenAPI 3.1 document, made from the same types that parse and render.

The document itself is in English; the page of it for people says its sentences in the reader's language.
"""

from functools import lru_cache
from typing import Any

import msgspec
from django.conf import settings
from django.utils.translation import gettext_noop

from . import messages
from .exchange import Answer, Call
from .openapi_refusals import refusals

_REF = "#/components/schemas/{name}"
_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
# Beside those by which every call may be.
_CHECKOUT_REFUSALS = (
    "malformed_json",
    "contact_lost",
    "module_expired",
    "warranty_expired",
    "no_free_seat",
    "body_too_large",
    "unsupported_media_type",
    "validation_failed",
    "module_unknown",
    "key_unknown",
    "idempotency_key_reused",
)
_LEASE_REFUSALS = ("lease_not_found",)


def document(call: Call) -> Answer:
    """`GET /openapi.json`."""
    return Answer(200, msgspec.json.encode(openapi()))


@lru_cache(maxsize=1)
def openapi() -> dict[str, Any]:
    """The document as plain JSON values."""
    _, schemas = msgspec.json.schema_components(messages.ANSWERS, ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Key Manager: lease API",
            "version": settings.VERSION,
            "description": (
                "What an ERP program speaks with the Key Manager. Times are RFC 3339 in UTC. "
                "405 is the answer to any other method of a path."
            ),
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "paths": _paths(),
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "km_…"}},
        },
    }


def _paths() -> dict[str, Any]:
    return {
        "/leases": {"post": _checkout()},
        "/leases/{id}": {
            "get": _operation("look", gettext_noop("Look at a lease"), "LookAnswer", _LEASE_REFUSALS, [_ID]),
            "delete": _return(),
        },
        "/leases/{id}/heartbeat": {"post": _heartbeat()},
        "/modules": {
            "get": _operation(
                "modules",
                gettext_noop("Ask for the modules without taking one"),
                "ModulesAnswer",
                ("validation_failed",),
                [_query("built_on", {"type": "string", "format": "date"})],
            )
        },
        "/grants/{key}": {
            "get": _operation(
                "grant",
                gettext_noop("Fetch the vendor's signed grant of an active key"),
                "GrantAnswer",
                ("not_found",),
                [{"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}],
            )
        },
        "/status": {
            "get": _operation(
                "status", gettext_noop("Ask how the portal and its keys are"), "StatusAnswer", ()
            )
        },
    }


def _checkout() -> dict[str, Any]:
    header = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": gettext_noop("The same key with the same body gives the same lease for 24 h."),
        "schema": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[ -~]+$"},
    }
    operation = _operation(
        "checkout",
        gettext_noop("Take a lease: all modules or none"),
        "LeaseAnswer",
        _CHECKOUT_REFUSALS,
        [header],
    )
    created = operation["responses"].pop("200")
    created["headers"] = {
        "Location": {"required": True, "schema": {"type": "string"}},
        "Idempotency-Replayed": {
            "schema": {"const": "true"},
            "description": gettext_noop("The lease was given before."),
        },
    }
    operation["responses"]["201"] = created
    operation["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": _REF.format(name="CheckoutBody")}}},
    }
    return operation


def _heartbeat() -> dict[str, Any]:
    return _operation(
        "heartbeat",
        gettext_noop("Keep a lease alive"),
        "HeartbeatAnswer",
        (*_LEASE_REFUSALS, "lease_ended"),
        [_ID],
    )


def _return() -> dict[str, Any]:
    operation = _operation(
        "return", gettext_noop("Return a lease, however often"), "LookAnswer", _LEASE_REFUSALS, [_ID]
    )
    del operation["responses"]["200"]
    operation["responses"]["204"] = {"description": gettext_noop("The lease holds nothing any more.")}
    return operation


def _operation(
    name: str,
    summary: str,
    schema: str,
    codes: tuple[str, ...],
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    responses: dict[str, Any] = {
        "200": {
            "description": summary,
            "content": {"application/json": {"schema": {"$ref": _REF.format(name=schema)}}},
        },
        **refusals(codes),
    }
    return {"operationId": name, "summary": summary, "parameters": parameters or [], "responses": responses}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}
