"""The grant: the vendor's signed word on one key, kept as received and judged anew when read."""

from datetime import timedelta
from typing import Final

from .errors import MalformedMessage, WrongMessage
from .fields import (
    CUSTOMER,
    INSTALLATION_ID,
    KEY_NUMBER,
    LARGEST_COUNT,
    MODULE_CODE,
    NAME,
    Fields,
)
from .jose import Members, open_jws, sign_jws
from .keys import AuthorityKeys, AuthoritySecrets
from .messages import Grant, GrantedModule
from .times import format_instant

GRANT_TYPE: Final = "km-grant+jws"
GRANT_LIFE: Final = timedelta(hours=72)
"""The longest time for which a grant is good without a new contact."""
MOST_MODULES: Final = 200
MOST_SEATS: Final = 100_000


def sign_grant(grant: Grant, secrets: AuthoritySecrets) -> str:
    """The grant as a compact JWS by the authority."""
    members = {
        "v": 1,
        "key": grant.key,
        "customer": grant.customer,
        "installation": grant.installation,
        "serial": grant.serial,
        "issued_at": format_instant(grant.issued_at),
        "valid_until": format_instant(grant.valid_until),
        "modules": [_module_members(module) for module in grant.modules],
    }
    signing = secrets.signing
    return sign_jws(members, signing.key, {"kid": signing.kid, "typ": GRANT_TYPE})


def _module_members(module: GrantedModule) -> dict[str, object]:
    return {
        "code": module.code,
        "name": dict(module.name),
        "seats": module.seats,
        "expires_on": module.expires_on and module.expires_on.isoformat(),
        "warranty_until": module.warranty_until and module.warranty_until.isoformat(),
    }


def verify_grant(grant_jws: str, keys: AuthorityKeys, *, installation: str, key: str) -> Grant:
    """The grant in a JWS by the authority, for this installation and this key number.

    It may have run out: whether it still holds is for the caller, who knows the time. Raises BadSignature,
    MalformedMessage or WrongMessage.
    """
    grant = _read_grant(open_jws(grant_jws, GRANT_TYPE, keys.signer).members)
    if grant.installation != installation:
        raise WrongMessage("a grant for another installation")
    if grant.key != key:
        raise WrongMessage("a grant for another key")
    return grant


def _read_grant(members: Members) -> Grant:
    fields = Fields(members, "the grant").version_1()
    modules = tuple(read_module(item) for item in fields.items("modules", MOST_MODULES))
    fields.different("modules", tuple(module.code for module in modules))
    grant = Grant(
        key=fields.text("key", KEY_NUMBER),
        customer=fields.text("customer", CUSTOMER),
        installation=fields.text("installation", INSTALLATION_ID),
        serial=fields.whole("serial", 1, LARGEST_COUNT),
        issued_at=fields.instant("issued_at"),
        valid_until=fields.instant("valid_until"),
        modules=modules,
    )
    if not timedelta(0) < grant.valid_until - grant.issued_at <= GRANT_LIFE:
        raise MalformedMessage("the grant's time is not within 72 hours")
    return grant


def read_module(value: object) -> GrantedModule:
    """The module of one member of a grant's `modules`. Raises MalformedMessage."""
    fields = Fields(value, "a module")
    names = Fields(fields.any("name"), "a module's name")
    return GrantedModule(
        code=fields.text("code", MODULE_CODE),
        name={language: names.text(language, NAME) for language in ("pl", "en")},
        seats=fields.or_none("seats", lambda: fields.whole("seats", 0, MOST_SEATS)),
        expires_on=fields.or_none("expires_on", lambda: fields.day("expires_on")),
        warranty_until=fields.or_none("warranty_until", lambda: fields.day("warranty_until")),
    )


def check_serial(grant_jws: str, grant: Grant, *, held_serial: int, held_jws: str | None) -> None:
    """Refuse a grant that does not come after the one held, unless it is that very one again.

    Raises WrongMessage.
    """
    if grant.serial > held_serial:
        return
    if grant.serial < held_serial or held_jws is None or grant_jws.strip() != held_jws.strip():
        raise WrongMessage("a grant that is not newer than the one held")
