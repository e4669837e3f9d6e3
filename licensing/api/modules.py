"""`GET /modules`: asking without taking."""

from datetime import date
from urllib.parse import parse_qs

import msgspec
from django.utils.translation import gettext_lazy as _

from licensing.operations.clock import portal_now
from licensing.operations.modules import ModuleRow, list_modules

from .auth import Caller
from .exchange import Answer, Call, answer, instant
from .messages import ModuleAnswer, ModulesAnswer
from .parsing import invalid


def modules(call: Call, caller: Caller, _path: str) -> Answer:
    """`GET /modules[?built_on=…]`."""
    now = portal_now()
    rows = list_modules(now, _built_on(call.query))
    return answer(ModulesAnswer([_render(row) for row in rows], instant(now)))


def _built_on(query: str) -> date | None:
    given = parse_qs(query, keep_blank_values=True).get("built_on")
    if not given:
        return None
    try:
        return msgspec.convert(given[-1], date)
    except msgspec.ValidationError:
        raise invalid("/built_on", _("The value must be a date such as 2026-09-01.")) from None


def _render(row: ModuleRow) -> ModuleAnswer:
    return ModuleAnswer(
        code=row.code,
        name=dict(row.name),
        key=row.key,
        seats=row.seats,
        taken=row.taken,
        free=row.free,
        available=row.available,
        reason=row.reason,
        expires_on=row.expires_on,
        warranty_until=row.warranty_until,
        contact_deadline=instant(row.contact_deadline),
    )
