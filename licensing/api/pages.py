"""Pages for ERP developers, open to everybody on the LAN: the API's description and its refusals."""

from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.http.cookie import parse_cookie
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from licensing.operations.errors import Refused

from .exchange import Answer, Call
from .languages import LANGUAGES, language_of, speaking
from .openapi import openapi
from .problems import PROBLEMS

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
PROBLEMS_PATH = "/problems"

# What each message is, for the page; the document says it in English, from the types.
SCHEMAS = {
    "Activation": gettext_lazy("Proof that an activation code renewed the deadline."),
    "CheckoutBody": gettext_lazy(
        "What one log-in asks for: “modules” all or none, each of “optional” if it can be had."
    ),
    "FullModule": gettext_lazy("A module without a free seat."),
    "GrantAnswer": gettext_lazy("The vendor's signed grant of a key, as it came."),
    "HealthAnswer": gettext_lazy("Whether the portal works, for those who watch over it."),
    "HeartbeatAnswer": gettext_lazy("Until when the lease lives now, and which modules it has lost."),
    "Holder": gettext_lazy("Who holds a seat."),
    "KeyStatusAnswer": gettext_lazy("How one virtual key is."),
    "LeaseAnswer": gettext_lazy(
        "A lease as checkout tells it; the last two only when it has ended before the call was repeated."
    ),
    "LeasedModule": gettext_lazy("A module that a lease holds, with the key and the seat."),
    "LookAnswer": gettext_lazy("A lease as a look at it tells it; the last two only when it has ended."),
    "ModuleAnswer": gettext_lazy(
        "A module on one key: what was bought, what is free, and whether it may be taken."
    ),
    "ModulesAnswer": gettext_lazy("Every module of every key."),
    "NotTaken": gettext_lazy("A module of “optional” that was not to be had, and why."),
    "Problem": gettext_lazy("A refusal (RFC 9457); the members after “code” come with some codes alone."),
    "Program": gettext_lazy(
        "The ERP program that asks; “built_on” decides where a module's warranty has passed."
    ),
    "StatusAnswer": gettext_lazy("How the portal and its keys are."),
    "WrongField": gettext_lazy("What is wrong with a request."),
}
PLACES = {
    "path": gettext_lazy("in the path"),
    "query": gettext_lazy("in the query"),
    "header": gettext_lazy("as a header"),
}


def docs(call: Call) -> Answer:
    """`GET /api/v1/docs`: the OpenAPI document for people, with nothing fetched from elsewhere."""
    document = openapi()
    with speaking(_language(call)):
        schemas = [_schema(name, schema) for name, schema in document["components"]["schemas"].items()]
    return _page(
        call,
        "api/docs.html",
        {
            "document": document,
            "operations": _operations(document),
            "schemas": schemas,
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
    language = _language(call)
    with speaking(language):
        html = render_to_string(template, context)
    headers = [("content-language", language), ("content-security-policy", POLICY)]
    if _asked_for(call):
        # The portal's own pages follow it too, as if it had been chosen there.
        headers.append(("set-cookie", f"{settings.LANGUAGE_COOKIE_NAME}={language}; Path=/; SameSite=Lax"))
    return Answer(200, html.encode(), "text/html; charset=utf-8", headers)


def _language(call: Call) -> str:
    """As people choose it: by this page's switch, else by the portal's (a cookie), else in the browser."""
    chosen = parse_cookie(call.header("cookie") or "").get(settings.LANGUAGE_COOKIE_NAME, "")
    by_cookie = chosen if chosen in LANGUAGES else ""
    return _asked_for(call) or by_cookie or language_of(call.header("accept-language"))


def _asked_for(call: Call) -> str:
    """The language of the address's query; empty where there is none that is spoken here."""
    asked = parse_qs(call.query).get("language", [""])[0]
    return asked if asked in LANGUAGES else ""


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
                    "parameters": [{**each, "place": PLACES[each["in"]]} for each in operation["parameters"]],
                    "requestBody": {"content": {kind: _named(media) for kind, media in body.items()}},
                    "responses": [
                        (status, _response(one)) for status, one in sorted(operation["responses"].items())
                    ],
                }
            )
    return rows


def _response(response: dict[str, Any]) -> dict[str, Any]:
    """What an answer is: a message by its name, refusals by their codes, or a sentence."""
    content = response.get("content", {})
    if "application/json" in content:
        return {"name": _named(content["application/json"])["schema"]["name"]}
    return (
        {"codes": response["description"].split(", ")} if content else {"sentence": response["description"]}
    )


def _named(media: dict[str, Any]) -> dict[str, Any]:
    return {"schema": {"name": media["schema"]["$ref"].rpartition("/")[2]}}


def _schema(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    required = schema.get("required", [])
    members = [
        {"name": member, "kind": _kind(kind), "required": member in required}
        for member, kind in schema.get("properties", {}).items()
    ]
    return {"name": name, "description": SCHEMAS[name], "members": members}


def _kind(schema: dict[str, Any]) -> str:
    """A type in a few words, e.g. `string (date)`, `array of LeasedModule`, `integer or null`."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return str(_(" or ")).join(_kind(one) for one in schema["anyOf"])
    kind = str(schema["type"])
    if isinstance(schema.get("items"), dict):
        return _("array of %(kind)s") % {"kind": _kind(schema["items"])}
    return f"{kind} ({schema['format']})" if "format" in schema else kind
