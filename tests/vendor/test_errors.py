"""Every cause has a code, a sentence that can always be told, and its place in the tree."""

import re

import pytest

from licensing.vendor import errors
from licensing.vendor.errors import SENTENCES, VendorError, sentence

PARAMS = {"host": "licences.example.com", "port": 443, "proxy_host": "proxy", "proxy_port": 3128}


def test_every_code_is_there_once():
    assert len(SENTENCES) == 31
    assert {"dns_failed", "proxy_login", "tls_untrusted", "busy", "forged"} < set(SENTENCES)


@pytest.mark.parametrize("code", sorted(set(SENTENCES) - {"not_configured"}))
def test_every_sentence_names_host_and_port_and_what_to_do(code):
    told = sentence(code, PARAMS)
    assert "licences.example.com" in told
    assert "443" in told
    assert len(re.findall(r"[.;:] ", told)) >= 1
    if code.startswith("proxy"):
        assert "proxy" in told
        assert "3128" in told


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_a_sentence_can_be_told_also_where_params_are_unknown(code):
    assert "%" not in sentence(code, {})
    assert "None" not in sentence(code, {"host": None})


def test_a_sentence_is_translated_before_it_is_filled():
    polish = {SENTENCES["dns_failed"]: "Nie znaleziono hosta %(host)s (port %(port)s)."}
    assert sentence("dns_failed", PARAMS, polish.__getitem__) == (
        "Nie znaleziono hosta licences.example.com (port 443)."
    )


def test_a_code_of_a_newer_version_is_told_as_it_is():
    assert sentence("quantum_decoherence", PARAMS) == "quantum_decoherence"


def test_unreachable_refused_and_forged_are_three_different_errors():
    kinds = (errors.Unreachable, errors.RequestRefused, errors.UnusableAnswer)
    for leaf in (errors.TlsExpired, errors.Busy, errors.Forged):
        assert issubclass(leaf, VendorError)
        assert sum(issubclass(leaf, kind) for kind in kinds) == 1
