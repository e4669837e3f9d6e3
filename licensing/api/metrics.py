"""`/metrics` for Prometheus: from the networks that the Configuration allows, or by an ERP client's token."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric

from licensing.models import Configuration
from licensing.operations.clock import portal_now
from licensing.operations.errors import Refused
from licensing.operations.metrics import Numbers, numbers
from licensing.operations.recipients import words_of

from .auth import authenticate, within
from .exchange import Answer, Call
from .latency import latencies

PATH = "/metrics"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LIGHTS = {"green": 0, "yellow": 1, "red": 2}


def handle(call: Call) -> Answer:
    """The metrics in Prometheus's text format.

    Raises:
        Refused: `method_not_allowed`; `token_missing` and what else `authenticate` refuses with.
    """
    if call.method not in ("GET", "HEAD"):
        raise Refused("method_not_allowed", allow=["GET", "HEAD"])
    networks = words_of(
        Configuration.objects.values_list("metrics_networks", flat=True).filter(pk=1).first() or ""
    )
    if not (networks and within(networks, call.address)):
        authenticate(call)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(portal_now()))
    return Answer(200, generate_latest(registry), CONTENT_TYPE)


class _Collector:
    """Everything as it is at one moment."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Each family once."""
        found = numbers(self._now)
        yield from _seats(found)
        yield from _keys(found, self._now)
        yield from _portal(found, self._now)
        yield _calls()


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"keymanager_{name}", text, value=value)


def _seats(found: Numbers) -> Iterator[Metric]:
    seats = GaugeMetricFamily("keymanager_seats", "Seats of a counted module.", labels=["key", "module"])
    taken = GaugeMetricFamily("keymanager_seats_taken", "Seats taken.", labels=["key", "module"])
    for row in found.modules:
        taken.add_metric([row.key, row.code], row.taken)
        if row.seats is not None:
            seats.add_metric([row.key, row.code], row.seats)
    refusals = GaugeMetricFamily(
        "keymanager_refusals_last_day", "Checkouts refused within 24 hours.", labels=["code"]
    )
    for code, number in sorted(found.refusals_of_day.items()):
        refusals.add_metric([code], number)
    yield from (seats, taken, refusals)


def _keys(found: Numbers, now: datetime) -> Iterator[Metric]:
    left = GaugeMetricFamily(
        "keymanager_key_seconds_left", "Until the key's modules stop without a contact.", labels=["key"]
    )
    contact = GaugeMetricFamily(
        "keymanager_key_last_contact_age_seconds", "Since the vendor's last word on the key.", labels=["key"]
    )
    for key in found.status.keys:
        if key.seconds_left is not None:
            left.add_metric([key.number], key.seconds_left)
        if key.last_contact_at is not None:
            contact.add_metric([key.number], (now - key.last_contact_at).total_seconds())
    yield from (left, contact)


def _portal(found: Numbers, now: datetime) -> Iterator[Metric]:
    yield _gauge("light", "0 green, 1 yellow, 2 red.", LIGHTS[found.status.light])
    yield _gauge("contact_failures", "Failed contacts in a row.", found.failures_in_a_row)
    if found.last_contact_at is not None:
        age = (now - found.last_contact_at).total_seconds()
        yield _gauge("last_contact_age_seconds", "Since the vendor last answered.", age)
    if found.heartbeat_at is not None:
        age = (now - found.heartbeat_at).total_seconds()
        yield _gauge("queue_heartbeat_age_seconds", "Since a task last came out of the queue.", age)
    mails = GaugeMetricFamily("keymanager_mails", "Mails that are not delivered.", labels=["state"])
    for state, number in found.mails.items():
        mails.add_metric([state], number)
    yield mails
    text = "How far the server's clock is ahead of portal time."
    yield _gauge("clock_ahead_seconds", text, found.clock_ahead_seconds)


def _calls() -> Metric:
    family = HistogramMetricFamily(
        "keymanager_api_seconds", "How long calls took in this process.", labels=["call"]
    )
    for kind, latency in sorted(latencies.items()):
        family.add_metric([kind], latency.buckets(), latency.seconds)
    return family
