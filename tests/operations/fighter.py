"""Threads that fight for seats, in this process or in one of their own."""

import json
import sys
import threading
from dataclasses import asdict, dataclass, field

from django.db import connection

from licensing.operations import transactions
from licensing.operations.errors import Refused
from licensing.operations.lease_values import Checkout, CheckoutRequest, LeaseCall, Program
from licensing.operations.leases import checkout, return_leases
from tests.factories import NOW


@dataclass
class Tally:
    """What the fighters saw; `most` is how many of them held a seat at once."""

    given: int = 0
    refused: int = 0
    most: int = 0
    errors: list[str] = field(default_factory=list)


class Fighters:
    """So many threads that take a seat and give it back, so many turns each."""

    def __init__(self, client_id: int, threads: int, turns: int) -> None:
        self.client_id = client_id
        self.turns = turns
        self.tally = Tally()
        self.holding = 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.fight, args=(place,)) for place in range(threads)]

    def run(self) -> Tally:
        """Fight, and tell what was seen."""
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()
        return self.tally

    def fight(self, place: int) -> None:
        """One thread's part; whatever goes wrong is told."""
        try:
            for _ in range(self.turns):
                self.turn(place)
                # As at the end of a request: a pooled connection goes back to the others.
                connection.close_if_unusable_or_obsolete()
        except Exception as error:
            self.tally.errors.append(f"{error!r} {error.__cause__!r}")
        finally:
            connection.close()

    def turn(self, place: int) -> None:
        """Ask for a seat; hold it for as long as it takes to count it; give it back."""
        program = Program("ERP", "1", None)
        asked = CheckoutRequest(self.client_id, ("HANDEL",), ("BI",), f"PC-{place}", f"user{place}", program)
        (outcome,) = checkout([asked], NOW)
        if isinstance(outcome, Refused):
            if outcome.code != "no_free_seat":
                raise outcome
            self.tally.refused += 1
            return
        assert isinstance(outcome, Checkout)
        self.count(+1)
        self.count(-1)
        (refused,) = return_leases([LeaseCall(self.client_id, outcome.lease.id)], NOW)
        if refused is not None:
            raise refused

    def count(self, change: int) -> None:
        """Count who holds a seat now."""
        with self.lock:
            self.holding += change
            self.tally.given += change > 0
            self.tally.most = max(self.tally.most, self.holding)


def main() -> None:
    """Fight as a process of its own; what was seen is printed as JSON."""
    # A computer under load may let threads wait longer than a caller should.
    transactions.LONGEST_WAIT_SECONDS = 60
    print(json.dumps(asdict(Fighters(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])).run())))
