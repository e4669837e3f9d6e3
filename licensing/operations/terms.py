"""By what leases are judged: the vendor's verified words and the administrator's choices, at one moment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.backends.utils import CursorWrapper

from licensing.models import Configuration, Installation
from licensing.protocol.messages import GrantedModule
from licensing.protocol.times import end_of_day

from .entitlements import Entitlement, entitlements
from .sets import ask, words_of
from .transactions import Overtaken

# The order in which several refusals of a checkout are told: the first that holds.
REASONS = ("module_unknown", "module_expired", "contact_lost", "warranty_expired", "no_free_seat")
RANK = {reason: place for place, reason in enumerate(REASONS)}


@dataclass(frozen=True, slots=True)
class Offer:
    """A module on one key, as the grant held gives it."""

    key_id: int
    key: str
    module: GrantedModule
    contact_deadline: datetime
    module_end: datetime | None
    # The earlier of the two: no lease of this module lives longer.
    ends_at: datetime

    @property
    def place(self) -> tuple[int, str]:
        """What names the module's row: the key's id and the code."""
        return self.key_id, self.module.code

    def refusal(self, now: datetime) -> str | None:
        """Why time alone forbids this module now, or None."""
        if now < self.ends_at:
            return None
        return "module_expired" if self.module_end is not None and now >= self.module_end else "contact_lost"

    def out_of_warranty(self, built_on: date | None, now: datetime) -> bool:
        """Whether the warranty does not cover a program built then; without a day, one built today."""
        until = self.module.warranty_until
        if until is None:
            return False
        return built_on > until if built_on is not None else now >= end_of_day(until)


@dataclass(frozen=True)
class Terms:
    """The terms at one moment; `version` is the installation's, and tells whether they still hold."""

    version: int
    keys: Mapping[str, Entitlement]
    inactivity: timedelta
    inactivity_seconds: int
    name_holders: bool
    # By code: first the furthest contact deadline, then the lowest key number.
    offers: Mapping[str, tuple[Offer, ...]]
    by_place: Mapping[tuple[int, str], Offer]
    by_key: Mapping[tuple[str, str], Offer]


def read_terms() -> Terms:
    """The terms as the database and the vendor's signatures give them now."""
    version = Installation.objects.filter(pk=1).values_list("version", flat=True).first() or 0
    chosen = Configuration.objects.filter(pk=1).values_list("inactivity_seconds", "name_holders").first()
    seconds, name_holders = chosen or (Configuration().inactivity_seconds, Configuration().name_holders)
    return make_terms(version, entitlements(), timedelta(seconds=seconds), name_holders)


def ask_whether_in_force(cursor: CursorWrapper, terms: Terms) -> Callable[[], None]:
    """Ask, after locks that may have been waited for, whether the terms are still those in force.

    What is given raises `Overtaken` where they are not. Where a transaction holds the whole database, nobody
    can have changed them.
    """
    if not words_of(cursor).for_update:
        return lambda: None
    version = ask_version(cursor)

    def read() -> None:
        if version() != terms.version:
            raise Overtaken

    return read


def ask_version(cursor: CursorWrapper) -> Callable[[], int]:
    """Ask for the version of the terms in force (`Terms.version`); 0 without an installation."""
    rows = ask(cursor, "SELECT version FROM licensing_installation WHERE id = 1", ())

    def read() -> int:
        found = rows()
        return int(found[0][0]) if found else 0

    return read


def make_terms(
    version: int, keys: Mapping[str, Entitlement], inactivity: timedelta, name_holders: bool
) -> Terms:
    """Terms with every module of every key at hand by its code and by its key."""
    offers = offers_of(keys)
    offers.sort(key=lambda offer: offer.key)
    offers.sort(key=lambda offer: offer.contact_deadline, reverse=True)
    by_code: dict[str, list[Offer]] = {}
    for offer in offers:
        by_code.setdefault(offer.module.code, []).append(offer)
    return Terms(
        version=version,
        keys=keys,
        inactivity=inactivity,
        inactivity_seconds=int(inactivity.total_seconds()),
        name_holders=name_holders,
        offers={code: tuple(found) for code, found in by_code.items()},
        by_place={offer.place: offer for offer in offers},
        by_key={(offer.key, offer.module.code): offer for offer in offers},
    )


def offers_of(keys: Mapping[str, Entitlement]) -> list[Offer]:
    """Every module of every key."""
    return [_offer(held, module) for held in keys.values() for module in held.grant.modules]


def _offer(held: Entitlement, module: GrantedModule) -> Offer:
    module_end = end_of_day(module.expires_on) if module.expires_on is not None else None
    ends_at = held.contact_deadline if module_end is None else min(held.contact_deadline, module_end)
    return Offer(held.key_id, held.number, module, held.contact_deadline, module_end, ends_at)
