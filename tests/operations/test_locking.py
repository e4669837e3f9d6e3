"""One order of locks, and what is ended all the same is done again: nobody sees a deadlock."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction
from django.utils import translation

from licensing.models import (
    Configuration,
    ContactState,
    ErpClient,
    Lease,
    Module,
    Seat,
    VirtualKey,
)
from licensing.operations.actors import COMMAND
from licensing.operations.clients import change_erp_client, disable_erp_client, replace_token
from licensing.operations.configuration import change_configuration, restore_defaults
from licensing.operations.errors import Refused
from licensing.operations.installation import bump_version, changing_terms, new_installation
from licensing.operations.keys import remove_key
from licensing.operations.lease_values import HeldLease
from licensing.operations.leases import release
from licensing.operations.mending import mend
from tests.factories import KEY, NOW, Portal, make_client, module, take
from tests.operations.beside import Beside
from tests.operations.test_fighting import database_error

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client(transactional_db: None, portal: Portal) -> ErpClient:
    portal.accept(KEY, [module()])
    return make_client()


def give_and_break(client: ErpClient) -> HeldLease:
    """A lease that is overdue, one that lives, and one whose seat a hand took."""
    live, broken = take(client), take(client)
    take(client, now=NOW - timedelta(minutes=40))
    Seat.objects.filter(lease_id=Lease.objects.get(id=broken.id).row_number).update(lease=None)
    return live


ACTS: dict[str, Callable[[ErpClient, HeldLease], object]] = {
    "release": lambda client, lease: release([lease.id], NOW, COMMAND),
    "mend": lambda client, lease: mend(NOW),
    "remove a key": lambda client, lease: remove_key(NOW, COMMAND, KEY),
    "begin anew": lambda client, lease: new_installation(NOW, COMMAND),
    "rename a client": lambda client, lease: change_erp_client(NOW, COMMAND, client.pk, "Another", ()),
    "disable a client": lambda client, lease: disable_erp_client(NOW, COMMAND, client.pk),
    "replace a token": lambda client, lease: replace_token(NOW, COMMAND, client.pk),
    "configure": lambda client, lease: change_configuration(NOW, COMMAND, inactivity_seconds=70),
    "restore": lambda client, lease: restore_defaults(NOW, COMMAND),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_whoever_waits_for_the_installation_holds_nothing_else(
    client: ErpClient, act: Callable[[ErpClient, HeldLease], object]
) -> None:
    change_configuration(NOW, COMMAND, name_holders=False)
    live = give_and_break(client)
    with transaction.atomic():
        bump_version()
        other = Beside(partial(act, client, live))
        other.wait_until_he_waits()
        for model in (ContactState, Configuration, VirtualKey, ErpClient, Module, Lease):
            assert list(model._default_manager.select_for_update(nowait=True).order_by("pk"))
    other.finish()


def test_change_that_the_database_ended_is_done_again() -> None:
    errors = [database_error("40P01"), database_error("40001")]

    def change() -> str:
        if errors:
            raise errors.pop()
        return "done"

    assert changing_terms(change) == "done"


def test_change_that_the_database_does_not_let_through_is_refused_with_a_sentence() -> None:
    def change() -> None:
        raise database_error("55P03")

    with translation.override("en"), pytest.raises(Refused, match="unavailable: The database") as refused:
        changing_terms(change)
    assert refused.value.data == {"retry_after": 1}
