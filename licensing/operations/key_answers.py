"""What the vendor's word on one key does: the table of refusals in vendor-protocol.md, and the grant."""

from datetime import datetime

from licensing.models import Installation, KeyState, VirtualKey
from licensing.protocol.grants import check_serial, verify_grant
from licensing.protocol.messages import Grant, KeyAnswer

from .actors import PORTAL
from .authority_keys import authority_keys
from .events import record
from .leases import apply_grant, end_leases_of_key
from .requests import HELD_BACK

# Refusals by which the vendor asks to bind an active key anew.
ASKS_FOR_BINDING = frozenset({"not_bound", "machine_changed", "clone_suspected"})
_WHAT_A_GRANT_CHANGES = (
    "state",
    "grant",
    "serial",
    "customer",
    "bound_machine",
    "binding_asked",
    "refusal",
    "active_on",
    "last_contact_at",
)


def granted(key: VirtualKey, grant_jws: str, *, bound_to: str, edited_since: bool, now: datetime) -> Grant:
    """Take over a grant: the key is active, and its PIN is kept no longer.

    An active key whose PIN was entered since it was asked for keeps it: the next request binds it anew.

    Args:
        key: its row, locked.
        grant_jws: the grant as received.
        bound_to: the machine or cluster for which the key was asked.
        edited_since: whether it was edited since then.
        now: portal time.

    Raises:
        ProtocolError: the grant does not verify for this key or is older than the one held.
    """
    installation = Installation.objects.values_list("thumbprint", flat=True).get(pk=1)
    grant = verify_grant(grant_jws, authority_keys(), installation=installation, key=key.number)
    check_serial(grant_jws, grant, held_serial=key.serial, held_jws=key.grant)
    was_active, refusal = key.state == KeyState.ACTIVE, key.refusal
    key.state, key.grant, key.serial = KeyState.ACTIVE, grant_jws.strip(), grant.serial
    key.customer, key.bound_machine, key.last_contact_at = grant.customer, bound_to, now
    key.binding_asked = key.refusal = key.active_on = ""
    key.save(update_fields=[*_WHAT_A_GRANT_CHANGES])
    if not (was_active and edited_since):
        VirtualKey.objects.filter(pk=key.pk).update(pin=None)
    if not was_active:
        record("key_activated", now, PORTAL, key.number, modules=[module.code for module in grant.modules])
    elif refusal:
        record("key_accepted_again", now, PORTAL, key.number, after=refusal)
    apply_grant(key, grant, now)
    return grant


def refused(key: VirtualKey, answer: KeyAnswer, now: datetime) -> None:
    """Write down a refusal and do what it means for a key that is active, or is not yet."""
    reason, active_on = answer.reason or "", answer.active_on or ""
    if (key.refusal, key.active_on) != (reason, active_on):
        record("key_refused", now, PORTAL, key.number, reason=reason, active_on=active_on)
    changed: dict[str, object] = {"refusal": reason, "active_on": active_on, "last_contact_at": now}
    if key.state == KeyState.ACTIVE:
        if reason in ASKS_FOR_BINDING:
            changed["binding_asked"] = reason
        if reason in HELD_BACK:
            # The key goes on as before; the page asks for the PIN again if need be.
            changed["pin"] = None
        if reason == "active_elsewhere":
            changed |= {"state": KeyState.INACTIVE, "grant": None, "pin": None}
    VirtualKey.objects.filter(pk=key.pk).update(**changed)
    if "state" in changed:
        record("key_inactive", now, PORTAL, key.number, active_on=active_on)
        end_leases_of_key(key.number, "key_inactive", now)
