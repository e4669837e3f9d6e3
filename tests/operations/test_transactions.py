"""When a transaction is tried again."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper
from psycopg_pool import PoolTimeout

from licensing.operations.errors import Refused
from licensing.operations.transactions import in_transaction


def nothing(_cursor: CursorWrapper) -> None:
    pytest.fail("there is no transaction to do it in")


@pytest.mark.django_db(transaction=True)
def test_a_database_that_cannot_be_reached_is_not_waited_for_twice() -> None:
    tried: list[bool] = []

    @contextmanager
    def away(*, is_outermost: bool) -> Iterator[CursorWrapper]:
        tried.append(is_outermost)
        raise OperationalError from PoolTimeout("couldn't get a connection after 5.00 sec")
        yield  # it is a generator

    with pytest.raises(Refused, match="unavailable"):
        in_transaction(nothing, away)
    assert tried == [True]
