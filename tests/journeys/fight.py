"""Clients that fight for the seats of one module over the lease API, and watch each other."""

import threading
import time
from collections.abc import Sequence
from itertools import cycle

import requests

from tests.journeys.portal import checkout_body


class Fight:
    """So many clients at once, for so long, shared out among the portals' addresses.

    `faults` is whatever must not be: a seat that two hold, a number beyond the seats, any answer but a lease
    or `no_free_seat`. `given` is the leases given.
    """

    def __init__(self, urls: Sequence[str], token: str, code: str, seats: int) -> None:
        self.urls, self.token, self.code, self.seats = urls, token, code, seats
        self.faults: list[str] = []
        self.given = 0
        self._held: set[int] = set()
        self._lock = threading.Lock()

    def run(self, clients: int, seconds: float) -> "Fight":
        """Fight to the end."""
        until = time.monotonic() + seconds
        urls = cycle(self.urls)
        threads = [threading.Thread(target=self._fight, args=(next(urls), until)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self

    def _fight(self, url: str, until: float) -> None:
        with requests.Session() as http:
            http.trust_env = False
            http.headers["Authorization"] = f"Bearer {self.token}"
            while time.monotonic() < until and not self.faults:
                try:
                    self._turn(http, f"{url}/api/v1/leases")
                except Exception as error:
                    self.faults.append(repr(error))

    def _turn(self, http: requests.Session, leases: str) -> None:
        answer = http.post(leases, json=checkout_body(self.code), timeout=30)
        if answer.status_code == 409:
            return
        assert answer.status_code == 201, answer.text
        lease, seat = answer.json()["id"], answer.json()["modules"][0]["seat"]
        with self._lock:
            self.given += 1
            assert 1 <= seat <= self.seats, f"seat {seat} of {self.seats}"
            assert seat not in self._held, f"seat {seat} twice"
            self._held.add(seat)
        beaten = http.post(f"{leases}/{lease}/heartbeat", timeout=30)
        with self._lock:
            self._held.discard(seat)
        returned = http.delete(f"{leases}/{lease}", timeout=30)
        assert (beaten.status_code, returned.status_code) == (200, 204), beaten.text + returned.text
