"""`/metrics`: what Prometheus reads, and who may."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from licensing.models import ClusterNode, Configuration
from licensing.operations.mail_queue import queue_mail
from licensing.operations.queue_heartbeat import beat
from licensing.operations.recipients import Recipient
from tests.factories import KEY, NOW

from .calling import Api


def values(api: Api, **headers: str) -> dict[str, float]:
    reply = api.call("GET", "/metrics", None, **headers)
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(reply.body.decode())
    return {
        sample.name + "".join(f"/{value}" for value in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_tell_seats_and_what_is_left(api: Api) -> None:
    assert api.checkout("HANDEL", key=KEY).status == 201
    assert api.checkout("FAKTURY").status == 201
    assert api.checkout("FAKTURY").status == 409
    beat(NOW)
    queue_mail(NOW, "x", "contact_back", [Recipient("it@firma.example", "pl")], {"contact_deadline": NOW})
    found = values(api)
    assert found[f"keymanager_seats/{KEY}/HANDEL"] == 2
    assert found[f"keymanager_seats_taken/{KEY}/HANDEL"] == 1
    assert found["keymanager_refusals_last_day/no_free_seat"] == 1
    assert found[f"keymanager_key_seconds_left/{KEY}"] == 72 * 3600
    assert found[f"keymanager_key_last_contact_age_seconds/{KEY}"] == 0
    assert found["keymanager_queue_heartbeat_age_seconds"] == 0
    assert found["keymanager_mails/queued"] == 1
    assert found["keymanager_light"] == 1
    assert found["keymanager_clock_ahead_seconds"] == 0
    assert f"keymanager_seats/{KEY}/KASA" not in found, "not counted"
    assert ClusterNode.objects.count() == 0


def test_the_front_tells_how_long_calls_take(api: Api) -> None:
    api.checkout("HANDEL")
    found = values(api)
    buckets = [value for name, value in found.items() if re.match(r"keymanager_api_seconds_bucket/", name)]
    if "Front" in type(api.way).__name__:
        assert buckets
        assert found["keymanager_api_seconds_count/checkout"] >= 1
        assert (
            found["keymanager_api_seconds_bucket/checkout/+Inf"]
            == found["keymanager_api_seconds_count/checkout"]
        )


def test_from_elsewhere_a_token_is_needed(api: Api) -> None:
    api.address = "192.168.7.7"
    assert values(api)
    api.token = ""
    assert api.call("GET", "/metrics").code == "token_missing"
    api.token = "km_" + "x" * 43
    assert api.call("GET", "/metrics").code == "token_invalid"


def test_allowed_networks_need_no_token(api: Api) -> None:
    api.token = ""
    assert values(api), "this computer itself"
    Configuration.objects.update_or_create(pk=1, defaults={"metrics_networks": "192.168.7.0/24"})
    assert api.call("GET", "/metrics").code == "token_missing"
    api.address = "192.168.7.7"
    assert values(api)


@pytest.mark.parametrize("networks", ["", " "])
def test_no_networks_allow_nobody_without_a_token(api: Api, networks: str) -> None:
    Configuration.objects.update_or_create(pk=1, defaults={"metrics_networks": networks})
    api.token = ""
    assert api.call("GET", "/metrics").code == "token_missing"


def test_metrics_are_only_read(api: Api) -> None:
    assert api.call("POST", "/metrics", {}).code == "method_not_allowed"
