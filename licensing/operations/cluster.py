"""Clustered installation: to what the keys are bound, and the machines that serve this database."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from licensing.models import ClusterNode, Configuration, Installation, KeyState, Role, VirtualKey
from licensing.protocol.keys import cluster_machine

from . import database
from .actors import Actor
from .configuration import change_configuration
from .errors import Refused
from .installation import changing_terms
from .keys import edit_key
from .machine import installation_name, machine_of_host

# A node tells of itself every half minute.
ALIVE = timedelta(minutes=3)


@dataclass(frozen=True)
class Node:
    """A machine that serves this database, as the pages list it."""

    name: str
    seen_at: datetime
    alive: bool
    here: bool


def nodes(now: datetime) -> list[Node]:
    """The machines that have served this database, by name."""
    own = machine_of_host()
    return [
        Node(row.name, row.seen_at, now - row.seen_at < ALIVE, row.machine == own)
        for row in ClusterNode.objects.all()
    ]


def note_node(now: datetime) -> None:
    """This machine serves this database now."""
    ClusterNode.objects.update_or_create(
        machine=machine_of_host(), defaults={"name": socket.gethostname()[:64], "seen_at": now}
    )


def leave(now: datetime) -> None:
    """This machine has stopped serving: another may begin at once."""
    ClusterNode.objects.filter(machine=machine_of_host()).update(seen_at=now - ALIVE)


def join(now: datetime) -> None:
    """This machine begins to serve. A second one on one database is refused without the switch.

    A SQLite file has one machine anyhow.

    Raises:
        Refused: `second_machine`.
    """
    clustered = Configuration.objects.filter(pk=1, clustered=True).exists()
    if not clustered and database.is_shareable():
        _require_alone(now)
    note_node(now)


def others_alive(now: datetime) -> QuerySet[ClusterNode]:
    """The other machines that serve this database now."""
    alive = ClusterNode.objects.filter(seen_at__gt=now - ALIVE, seen_at__lt=now + ALIVE)
    return alive.exclude(machine=machine_of_host())


def _require_alone(now: datetime) -> None:
    other = others_alive(now).first()
    if other is not None:
        raise Refused(
            "second_machine",
            _(
                "another machine, %(name)s, serves this database. Turn on “Clustered installation” there "
                "first, or stop it and start this one three minutes later."
            )
            % {"name": other.name},
            name=other.name,
        )


def keys_to_bind(clustered: bool, cluster_name: str) -> list[str]:
    """The active keys that must be bound anew if the cluster is set so: those bound to another machine."""
    try:
        wanted = cluster_machine(cluster_name) if clustered else machine_of_host()
    except ValueError:
        return []
    if clustered and not database.is_shareable():
        return []
    bound_otherwise = VirtualKey.objects.filter(state=KeyState.ACTIVE).exclude(bound_machine=wanted)
    return list(bound_otherwise.order_by("number").values_list("number", flat=True))


def switch_cluster(
    now: datetime, actor: Actor, clustered: bool, cluster_name: str, pins: Mapping[str, str]
) -> None:
    """Turn the clustered installation on or off, or rename it, and have the keys bound anew.

    The next contact binds them; no lease ends because of it. A key without a PIN here goes on as it is until
    its grant ends, and its page asks for the PIN.

    Args:
        pins: the PIN of each active key, by its number.

    Raises:
        Refused: `not_permitted`; `validation_failed` with `errors` by field (`cluster_name`, `clustered`, or
            a key's number).
    """
    actor.require(Role.ADMINISTRATOR)

    def switch() -> None:
        to_bind = keys_to_bind(clustered, cluster_name)
        change_configuration(now, actor, clustered=clustered, cluster_name=cluster_name)
        Installation.objects.filter(pk=1).update(name=installation_name())
        errors = {}
        for number in to_bind:
            try:
                if pins.get(number):
                    edit_key(now, actor, number, pin=pins[number])
            except Refused as refused:
                errors[number] = refused.data.get("errors", {}).get("pin", [refused.detail])
        if errors:
            raise Refused("validation_failed", _("Some PINs cannot be right."), errors=errors)

    changing_terms(switch)
