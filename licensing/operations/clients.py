"""ERP clients: the applications that may call the lease API."""

import hashlib
import ipaddress
import secrets
import unicodedata
from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from licensing.models import ErpClient, Role

from .actors import Actor
from .errors import Refused
from .events import record
from .installation import bump_version, changing_terms

NAME_LENGTH = 64


def token_sha256(token: str) -> str:
    """How a token is stored: the hex SHA-256 of its text (it is long and random, so no salt is needed)."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_token() -> str:
    """A token that nobody can guess: `km_` and 43 symbols."""
    return "km_" + secrets.token_urlsafe(32)


def add_erp_client(
    now: datetime, actor: Actor, name: str, networks: Iterable[str] = ()
) -> tuple[ErpClient, str]:
    """Register an application; the token is returned this once and stored hashed.

    Raises:
        Refused: `not_permitted`, `validation_failed` (with `errors` by field), `name_taken`.
    """
    actor.require(Role.ADMINISTRATOR)
    cleaned, allowed, token = _clean_name(name), _clean_networks(networks), new_token()

    def add() -> ErpClient:
        if ErpClient.objects.filter(name=cleaned).exists():
            raise _name_taken(cleaned)
        try:
            with transaction.atomic():
                client = ErpClient.objects.create(
                    name=cleaned, networks=allowed, token_sha256=token_sha256(token), created_at=now
                )
        except IntegrityError:
            raise _name_taken(cleaned) from None
        record("erp_client_added", now, actor, cleaned, networks=allowed)
        bump_version()
        return client

    return changing_terms(add), token


def change_erp_client(
    now: datetime, actor: Actor, client_id: int, name: str, networks: Iterable[str]
) -> None:
    """Give an ERP client another name, or other networks that it may call from (none: from anywhere)."""
    actor.require(Role.ADMINISTRATOR)
    cleaned, allowed = _clean_name(name), _clean_networks(networks)

    def change() -> None:
        client = _locked(client_id)
        if (client.name, client.networks) == (cleaned, allowed):
            return
        if ErpClient.objects.filter(name=cleaned).exclude(pk=client_id).exists():
            raise _name_taken(cleaned)
        ErpClient.objects.filter(pk=client_id).update(name=cleaned, networks=allowed)
        record("erp_client_changed", now, actor, cleaned, name_before=client.name, networks=allowed)
        bump_version()

    changing_terms(change)


def disable_erp_client(now: datetime, actor: Actor, client_id: int) -> None:
    """Let an ERP client in no more. Its leases end by themselves, for want of a heartbeat."""
    _switch(now, actor, client_id, disabled_at=now, kind="erp_client_disabled")


def enable_erp_client(now: datetime, actor: Actor, client_id: int) -> None:
    """Let a disabled ERP client in again, with the token that it had."""
    _switch(now, actor, client_id, disabled_at=None, kind="erp_client_enabled")


def replace_token(now: datetime, actor: Actor, client_id: int) -> str:
    """Give an ERP client a new token, returned this once; the old one is good no more."""
    actor.require(Role.ADMINISTRATOR)
    token = new_token()

    def replace() -> None:
        client = _locked(client_id)
        ErpClient.objects.filter(pk=client_id).update(token_sha256=token_sha256(token))
        record("erp_client_token_replaced", now, actor, client.name)
        bump_version()

    changing_terms(replace)
    return token


def _switch(now: datetime, actor: Actor, client_id: int, *, disabled_at: datetime | None, kind: str) -> None:
    actor.require(Role.ADMINISTRATOR)

    def switch() -> None:
        client = _locked(client_id)
        if (client.disabled_at is None) == (disabled_at is None):
            return
        ErpClient.objects.filter(pk=client_id).update(disabled_at=disabled_at)
        record(kind, now, actor, client.name)
        bump_version()

    changing_terms(switch)


def _locked(client_id: int) -> ErpClient:
    client = ErpClient.objects.select_for_update().filter(pk=client_id).first()
    if client is None:
        raise Refused("erp_client_unknown", _("There is no such ERP client."))
    return client


def _clean_name(name: str) -> str:
    text = unicodedata.normalize("NFC", name).strip()
    if any(unicodedata.category(char) in ("Cc", "Cf") for char in text) or not 1 <= len(text) <= NAME_LENGTH:
        sentence = _("A name has 1 to 64 characters, none of them a control character.")
        raise Refused("validation_failed", sentence, errors={"name": [sentence]})
    return text


def _clean_networks(networks: Iterable[str]) -> list[str]:
    found: list[str] = []
    for text in filter(None, (network.strip() for network in networks)):
        try:
            network = str(ipaddress.ip_network(text, strict=False))
        except ValueError:
            sentence = _("“%(text)s” is no network. Write it as 192.168.1.0/24, 10.0.0.5 or fd00::/8.") % {
                "text": text
            }
            raise Refused("validation_failed", sentence, errors={"networks": [sentence]}) from None
        if network not in found:
            found.append(network)
    return found


def _name_taken(name: str) -> Refused:
    sentence = _("There is an ERP client named “%(name)s” already.") % {"name": name}
    return Refused("name_taken", sentence, errors={"name": [sentence]})
