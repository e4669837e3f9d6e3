"""The client and its diagnosis against the real reference authority, in each of its modes."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from licensing.protocol import (
    ContactRequest,
    InstallationInfo,
    InstallationKey,
    machine_id_digest,
    sign_request,
    verify_answer,
)
from licensing.vendor.client import VendorClient
from licensing.vendor.diagnosis import Step, walk
from tests.authority_process import RunningAuthority, running_authority
from tests.vendor.conftest import SHORT

KEY = InstallationKey.generate()


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[RunningAuthority]:
    with running_authority(tmp_path) as running:
        yield running


def walked(authority: RunningAuthority, **settings: object) -> list[Step]:
    """A walk with a request of its own, whose answer is judged as a contact's would be."""
    now = datetime.now(UTC)
    info = InstallationInfo(KEY.id, "SRV-ERP", machine_id_digest("0123456789abcdef"), "1.0.0")
    request = ContactRequest(str(uuid.uuid4()), now, info, (), ())
    jws = sign_request(request, KEY)
    settings.setdefault("deadline_seconds", 5.0)
    client = VendorClient(authority.url, **settings)  # type: ignore[arg-type]

    def check(body: str) -> datetime:
        return verify_answer(body, authority.keys, request, jws).answered_at

    return list(walk(client, jws, check, now=now))


def test_the_way_to_the_authority_is_good(authority):
    assert [(step.name, step.ok) for step in walked(authority)] == [
        (name, True) for name in ("configuration", "dns", "tcp", "http", "signature", "clock")
    ]


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("refuse", "connection_lost"),
        ("blackhole", "too_slow"),
        ("error_500", "http_status"),
        ("busy_503", "busy"),
        ("html", "not_the_vendor"),
        ("redirect", "redirected"),
        ("stale", "wrong_answer"),
        ("drip", "too_slow"),
        ("huge", "too_large"),
        ("lose_answer", "connection_lost"),
        ("bad_signature", "forged"),
        ("wrong_key", "forged"),
        ("other_request", "wrong_answer"),
        ("other_installation", "wrong_answer"),
    ],
)
def test_every_mode_of_the_authority_has_its_cause(authority, mode, code):
    assert walked(authority)[-1].ok
    authority.mode(mode)
    slow = {"deadline_seconds": SHORT} if code == "too_slow" else {}
    failed = walked(authority, **slow)[-1]
    assert (failed.ok, failed.code) == (False, code)
    authority.mode("ok")
    assert walked(authority)[-1].ok


def test_an_answer_cut_short_is_never_taken(authority):
    authority.mode("truncated")
    assert walked(authority)[-1].code == "connection_lost"


def test_busy_tells_when_to_try_again(authority):
    authority.mode("busy_503")
    assert walked(authority)[-1].params["retry_after"] == 60


def test_a_clock_two_days_off_is_told_by_the_vendors_signed_time(authority):
    authority.move_clock(timedelta(days=2).total_seconds())
    failed = walked(authority)[-1]
    assert (failed.name, failed.code, failed.params["minutes"]) == ("clock", "clock_off", 2880)


def test_the_authority_is_reached_over_tls_with_a_private_ca(tmp_path, company_ca, ca_file):
    leaf = company_ca.issue_cert("localhost")
    leaf.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    files = (tmp_path / "server.pem", tmp_path / "server.pem", ca_file)
    with running_authority(tmp_path, tls=files) as secure:
        assert walked(secure, ca_file=ca_file)[-1].ok
        stranger = tmp_path / "stranger.pem"
        trustme.CA().cert_pem.write_to_path(str(stranger))
        assert walked(secure, ca_file=stranger)[-1].code == "tls_untrusted"
