"""Certificates: whom the client trusts, and how each refusal is named."""

import ssl
import time

import pytest
import trustme

from licensing.vendor import errors, tls
from tests.vendor.conftest import SHORT
from tests.vendor.servers import ScriptedServer, answering, http
from tests.vendor.test_client import REQUEST

ANSWER = http(b"a.b.c")


def fault(start, client, context: ssl.SSLContext, **settings: object) -> errors.VendorError:
    server = start(answering(ANSWER, context))
    with pytest.raises(errors.VendorError) as caught:
        client(server.port, "https", **settings).contact(REQUEST)
    assert f"127.0.0.1:{server.port}" in str(caught.value)
    assert server.requests == []
    return caught.value


def test_a_company_ca_is_trusted_from_a_file(start, client, certificate):
    server = start(answering(ANSWER, certificate()))
    assert client(server.port, "https").contact(REQUEST) == "a.b.c"
    assert client(server.port, "https", "localhost").contact(REQUEST) == "a.b.c"


def test_a_company_ca_is_trusted_from_its_text(start, client, certificate, company_ca):
    server = start(answering(ANSWER, certificate()))
    pem = company_ca.cert_pem.bytes().decode()
    assert client(server.port, "https", ca_file=None, ca_pem=pem).contact(REQUEST) == "a.b.c"


def test_a_company_ca_comes_on_top_of_the_systems(start, client, certificate, ca_file, monkeypatch):
    """The system's CA stands in a file that OpenSSL is told of, as the system's own are."""
    system = trustme.CA(organization_name="A System's CA")
    with system.cert_pem.tempfile() as path:
        monkeypatch.setenv("SSL_CERT_FILE", path)
        server = start(answering(ANSWER, certificate(ca=system)))
        assert client(server.port, "https", ca_file=ca_file).contact(REQUEST) == "a.b.c"
        assert client(server.port, "https", ca_file=None).contact(REQUEST) == "a.b.c"


def test_only_the_system_and_the_company_are_trusted_not_a_list_of_a_library(
    start, client, certificate, tmp_path, monkeypatch
):
    stranger = trustme.CA(organization_name="On a list of a library")
    stranger.cert_pem.write_to_path(str(tmp_path / "list.pem"))
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(tmp_path / "list.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "list.pem"))
    assert fault(start, client, certificate(ca=stranger)).code == "tls_untrusted"


def test_an_unknown_ca_is_told_with_its_name(start, client, certificate):
    stranger = trustme.CA(organization_name="Inspecting Firewall")
    error = fault(start, client, certificate(ca=stranger))
    assert error.code == "tls_untrusted"
    assert "Inspecting Firewall" in error.params["issuer"]
    assert "Inspecting Firewall" in str(error)


def test_no_company_ca_means_the_private_authority_is_not_trusted(start, client, certificate):
    assert fault(start, client, certificate(), ca_file=None).code == "tls_untrusted"


def test_an_expired_certificate_is_told_with_its_day(start, client, certificate):
    error = fault(start, client, certificate(days=(-9, -2)))
    assert error.code == "tls_expired"
    assert str(error.params["not_after"]).endswith("UTC")
    assert str(error.params["not_after"]) in str(error)


def test_a_certificate_of_tomorrow_is_told_as_a_matter_of_the_clock(start, client, certificate):
    error = fault(start, client, certificate(days=(2, 9)))
    assert error.code == "tls_not_yet_valid"
    assert "Set the clock" in str(error)
    assert str(error.params["not_before"]) in str(error)


def test_a_certificate_for_another_host_is_told_with_its_names(start, client, certificate):
    error = fault(start, client, certificate("licences.example.com", "example.com"))
    assert error.code == "tls_wrong_host"
    assert "licences.example.com, example.com" in str(error)


def test_a_server_without_tls_is_told(start, client):
    server = start(answering(ANSWER))
    server.script = lambda connection: connection.recv(99) and connection.sendall(ANSWER)
    with pytest.raises(errors.TlsFailed, match=f"127.0.0.1:{server.port}"):
        client(server.port, "https").contact(REQUEST)


def test_a_server_of_old_tls_is_refused(start, client, certificate):
    context = certificate()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    assert fault(start, client, context).code == "tls_failed"


def test_a_connection_cut_in_the_handshake_is_told_as_lost(start, client):
    server = start(ScriptedServer(lambda connection: connection.recv(99)))
    with pytest.raises(errors.ConnectionLost):
        client(server.port, "https").contact(REQUEST)


def test_a_bad_certificate_is_named_also_where_it_cannot_be_looked_at_again(start, client, certificate):
    server = start(answering(ANSWER, certificate(ca=trustme.CA())))
    shake_hands = server.context

    def once(connection):
        server.script = lambda again: None
        server.context = None

    server.context = None
    server.script = lambda connection: (
        once(connection),
        shake_hands.wrap_socket(connection, server_side=True),
    )
    with pytest.raises(errors.TlsUntrusted, match="issued by “–”"):
        client(server.port, "https").contact(REQUEST)


def test_a_bad_certificate_is_named_also_where_the_time_runs_out_at_the_second_look(
    start, client, certificate
):
    server = start(ScriptedServer(lambda _: None))
    shake_hands = certificate(ca=trustme.CA())

    def script(connection):
        server.script = lambda again: time.sleep(2 * SHORT)
        shake_hands.wrap_socket(connection, server_side=True)

    server.script = script
    with pytest.raises(errors.TlsUntrusted):
        client(server.port, "https", deadline_seconds=SHORT).contact(REQUEST)


@pytest.mark.parametrize("settings", [{"ca_file": "missing"}, {"ca_file": "broken"}, {"ca_pem": "no PEM"}])
def test_unreadable_certificates_of_the_company_are_told(client, tmp_path, settings):
    (tmp_path / "broken").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    if "ca_file" in settings:
        settings = {"ca_file": tmp_path / settings["ca_file"]}
    with pytest.raises(errors.CaFileUnreadable, match="KEYMANAGER_CA_FILE") as caught:
        client(9, "https", **settings).contact(REQUEST)
    assert caught.value.code == "ca_file_unreadable"


def test_a_certificate_without_names_is_described_by_its_subject(company_ca):
    der = ssl.PEM_cert_to_DER_cert(company_ca.cert_pem.bytes().decode())
    assert "Firma Testowa" in str(tls.describe(der)["names"])
    assert tls.describe(b"rubbish")["names"] is None


@pytest.mark.parametrize(
    ("verify_code", "kind"), [(0x800B010F, errors.TlsWrongHost), (1, errors.TlsUntrusted)]
)
def test_the_verdicts_of_windows_are_understood_too(verify_code, kind):
    error = ssl.SSLCertVerificationError("refused")
    error.verify_code = verify_code
    assert tls.refusal_kind(error) is kind
