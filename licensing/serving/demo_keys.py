"""The keys that the demo's authority sells. None of them is added to the portal."""

import json
import urllib.request
from datetime import date, timedelta
from typing import Any

SECONDS = 10

NAMES = {
    "HANDEL": ("Handel", "Trade"),
    "KASA": ("Kasa", "Cash desk"),
    "FAKTURY": ("Faktury", "Invoices"),
    "CRM": ("CRM", "CRM"),
    "SRODKI_TRWALE": ("Środki trwałe", "Fixed assets"),
    "KADRY": ("Kadry", "Human resources"),
    "BI": ("Business Intelligence", "Business Intelligence"),
}


def demo_keys(today: date) -> list[dict[str, Any]]:
    """The keys with their credentials and modules; the dates follow from today's (UTC)."""
    in_warranty = today + timedelta(days=365)
    passed = today - timedelta(days=30)
    seats = {"HANDEL": 5, "KASA": 5, "FAKTURY": 3, "CRM": 1, "SRODKI_TRWALE": None}
    return [
        _key("5000006622", "123456", "0427", [_module(code, n, in_warranty) for code, n in seats.items()]),
        _key("5000006623", "123456", "1111", [_module(code, 2, passed) for code in ("HANDEL", "KADRY")]),
        _key("5000006624", "654321", "2222", [_module("BI", 1, None, today - timedelta(days=1))]),
    ]


def _key(number: str, customer: str, pin: str, modules: list[dict[str, Any]]) -> dict[str, Any]:
    return {"number": number, "customer": customer, "pin": pin, "modules": modules}


def _module(
    code: str, seats: int | None, warranty: date | None, expires: date | None = None
) -> dict[str, Any]:
    polish, english = NAMES[code]
    return {
        "code": code,
        "name": {"pl": polish, "en": english},
        "seats": seats,
        "expires_on": expires.isoformat() if expires else None,
        "warranty_until": warranty.isoformat() if warranty else None,
    }


def make_missing(authority_url: str, keys: list[dict[str, Any]]) -> None:
    """Make those keys at the authority that it does not have yet."""
    state = _call(f"{authority_url}/_control/state")
    there = {key["number"] for key in state["keys"]}
    for key in keys:
        if key["number"] not in there:
            _call(f"{authority_url}/_control/keys", key)


def _call(url: str, body: dict[str, Any] | None = None) -> Any:
    """Speak with the authority's control door on this computer, past any proxy."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=SECONDS) as response:
        text = response.read()
    return json.loads(text) if text else None
