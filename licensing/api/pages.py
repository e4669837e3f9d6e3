"""Pages for ERP developers, open to everybody on the LAN: the API's description and its refusals."""

from typing import Any

from django.template.loader import render_to_string

from licensing.operations.errors import Refused

from .exchange import Answer, Call
from .languages import language_of, speaking
from .openapi import openapi
from .problems import PROBLEMS

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
PROBLEMS_PATH = "/problems"


def docs(call: Call) -> Answer:
    """`GET /api/v1/docs`: the OpenAPI document for people, with nothing fetched from elsewhere."""
    document = openapi()
    return _page(
        call,
        "api/docs.html",
        {
            "document": document,
            "operations": [*_operations(document)],
            "schemas": [_schema(name, schema) for name, schema in document["components"]["schemas"].items()],
            "problems": PROBLEMS,
        },
    )


def problem_page(call: Call) -> Answer:
    """`GET /problems/<code>`: what a refusal means and what to do; `GET /problems` lists them."""
    if call.method not in ("GET", "HEAD"):
        raise Refused("method_not_allowed", allow=["GET", "HEAD"])
    code = call.path.removeprefix(PROBLEMS_PATH).strip("/")
    if not code:
        return _page(call, "api/problems.html", {"problems": PROBLEMS})
    if code not in PROBLEMS:
        raise Refused("not_found")
    return _page(call, "api/problem.html", {"code": code, "kind": PROBLEMS[code]})


def _page(call: Call, template: str, context: dict[str, Any]) -> Answer:
    language = language_of(call.header("accept-language"))
    with speaking(language):
        html = render_to_string(template, context)
    headers = [("Content-Language", language), ("Content-Security-Policy", POLICY)]
    return Answer(200, html.encode(), "text/html; charset=utf-8", headers)


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The document's operations in a row, with names for what they refer to."""
    rows = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {})
            rows.append(
                {
                    **operation,
                    "method": method.upper(),
                    "path": path,
                    "requestBody": {"content": {kind: _named(media) for kind, media in body.items()}},
                    "responses": [(status, _response(one)) for status, one in operation["responses"].items()],
                }
            )
    return rows


def _response(response: dict[str, Any]) -> dict[str, Any]:
    media = response.get("content", {}).get("application/json")
    return {"description": response["description"], "name": _named(media)["schema"]["name"] if media else ""}


def _named(media: dict[str, Any]) -> dict[str, Any]:
    return {"schema": {"name": media["schema"]["$ref"].rpartition("/")[2]}}


def _schema(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    required = schema.get("required", [])
    members = [
        {"name": member, "kind": _kind(kind), "required": member in required}
        for member, kind in schema.get("properties", {}).items()
    ]
    return {"name": name, "description": schema.get("description", ""), "members": members}


def _kind(schema: dict[str, Any]) -> str:
    """A type in a few words, e.g. `string (date)`, `array of LeasedModule`, `integer or null`."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    kind = str(schema.get("type", "any"))
    if kind == "array" and "items" in schema:
        return f"array of {_kind(schema['items']) if isinstance(schema['items'], dict) else 'nothing'}"
    return f"{kind} ({schema['format']})" if "format" in schema else kind
