"""One order in which all lock what they change, so that no two wait for each other in a ring.

First the installation's row, by whoever changes terms or may raise its version; then the rows that the change
is about: an ERP client, the Configuration, the open request, a key, the plan of contacts; then modules by
their ids; then leases by their row numbers. Batches of leases begin with the modules.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from django.db.backends.utils import CursorWrapper

from .checkout import offers_for
from .lease_values import CheckoutRequest, LeaseCall
from .sets import Rows, ask, words_of
from .terms import Terms


def lock_ahead(
    cursor: CursorWrapper,
    requests: Sequence[CheckoutRequest],
    terms: Terms,
    returns: Sequence[LeaseCall],
    clock: Callable[[], datetime],
) -> Rows:
    """Lock the modules of a batch's checkouts and returns, in the order of their ids; read the rows to wait.

    Returns and checkouts of one batch lock theirs one after the other; without this two batches could each
    hold what the other wants. Whoever asks for the time only afterwards also writes it down in the order in
    which seats change hands. `clock` gives that time roughly; modules of leases and seats overdue by then are
    locked too.
    Where a transaction holds the whole database there is nothing to do.
    """
    words = words_of(cursor)
    if not words.for_update:
        return list
    places = {offer.place for offer in offers_for(requests, terms)}
    if not (places or returns):
        return list
    held = (
        "SELECT s.module_id FROM licensing_lease l JOIN licensing_seat s ON s.lease_id = l.row_number"  # noqa: S608
        f" WHERE l.id IN {words.among('id')}"
    )
    overdue = (
        "SELECT s.module_id FROM licensing_seat s JOIN licensing_lease l ON l.row_number = s.lease_id"
        " WHERE l.ended_at IS NULL AND l.expires_at <= %s"
        " UNION ALL SELECT s.module_id FROM licensing_seat s WHERE s.ends_at <= %s"
    )
    wanted = f"SELECT key_id, code FROM {words.rows('r', key_id='number', code='text')}"  # noqa: S608
    return ask(
        cursor,
        f"SELECT m.id FROM licensing_module m WHERE (m.key_id, m.code) IN ({wanted})"  # noqa: S608
        f" OR m.id IN ({held}) OR m.id IN ({overdue}) ORDER BY m.id{words.for_update}",
        [
            *(words.columns(list(places)) if places else [words.members(())] * 2),
            words.members(call.key for call in returns),
            *[words.instant(clock())] * 2,
        ],
    )
