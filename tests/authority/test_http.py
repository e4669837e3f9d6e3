"""The authority over real HTTP and HTTPS: statuses, problem documents, limits, and who may do what."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import trustme

from authority.folder import Vault, store_vault
from authority.server import MOST_BODY_BYTES
from licensing.protocol import AuthoritySecrets, decode_bytes, verify_answer
from tests.authority.material import NUMBER, Installation, bind, renew
from tests.authority_process import RunningAuthority, running_authority

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "signed-messages.json").read_text())


def problem(response: requests.Response) -> tuple[int, str]:
    """Status and code of a problem document."""
    assert response.headers["Content-Type"] == "application/problem+json", response.text
    members = response.json()
    assert members["status"] == response.status_code
    assert members["type"] == f"/problems/{members['code']}"
    assert members["title"]
    assert members["detail"]
    return response.status_code, members["code"]


def test_a_contact_is_answered_with_a_signed_answer_to_this_request(authority: RunningAuthority) -> None:
    portal = Installation(authority.keys)
    request, jws = portal.ask(bind())
    response = authority.post("/v1/contact", jws)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/jose")
    answer = verify_answer(response.text, authority.keys, request, jws)
    assert portal.grant(answer.keys[0]).serial == 1
    assert authority.state()["bound_to"] == portal.key.id


def test_a_repeated_request_gets_the_same_grant_and_an_older_one_409(authority: RunningAuthority) -> None:
    portal = Installation(authority.keys)
    request, jws = portal.ask(bind())
    answers = [
        verify_answer(authority.post("/v1/contact", jws).text, authority.keys, request, jws) for _ in "12"
    ]
    assert answers[0].keys == answers[1].keys
    assert answers[0].answered_at < answers[1].answered_at
    authority.post("/v1/contact", portal.ask(renew(1))[1])
    assert problem(authority.post("/v1/contact", jws)) == (409, "replayed")
    assert authority.state()["serial"] == 2


@pytest.fixture
def vectors_authority(tmp_path: Path) -> Iterator[RunningAuthority]:
    """An authority that has the keys of the worked examples."""
    folder = tmp_path / "authority"
    folder.mkdir()
    secrets = AuthoritySecrets.from_json(json.dumps(VECTORS["authority_private_jwks"]))
    store_vault(folder, Vault.generate(secrets))
    with running_authority(tmp_path) as authority:
        authority.add_key("5000006625")
        yield authority


@pytest.mark.parametrize("case", VECTORS["bad_requests"], ids=lambda case: case["why"])
def test_each_bad_request_of_the_vectors_gets_its_status(
    vectors_authority: RunningAuthority, case: dict[str, object]
) -> None:
    response = vectors_authority.post("/v1/contact", str(case["request"]))
    if case["status"] != 200:
        expected = {400: "malformed", 401: "bad_signature"}[int(str(case["status"]))]
        assert problem(response) == (case["status"], expected)
        return
    assert response.status_code == 200
    assert reasons(response) == case["expect"]


def test_the_good_request_of_the_vectors_is_carried_out(vectors_authority: RunningAuthority) -> None:
    response = vectors_authority.post("/v1/contact", VECTORS["good_request"])
    assert reasons(response) == {"5000006622": "not_bound", "5000006625": "granted"}


def reasons(response: requests.Response) -> dict[str, str]:
    """The reason or result of each key in an answer."""
    payload = json.loads(decode_bytes(response.text.split(".")[1]))
    return {key["number"]: key.get("reason", key["result"]) for key in payload["keys"]}


@pytest.mark.parametrize("body", [b"", b"a.b.c", b"\xff\xfe", b"{}", b"a" * 100_000])
def test_what_is_no_signed_message_is_malformed(authority: RunningAuthority, body: bytes) -> None:
    assert problem(authority.post("/v1/contact", body)) == (400, "malformed")


def test_a_body_beyond_the_limit_is_413_and_read_no_further(authority: RunningAuthority) -> None:
    assert problem(authority.post("/v1/contact", b"a" * (MOST_BODY_BYTES + 1))) == (413, "too_large")
    assert problem(authority.post("/v1/contact", b"a" * (8 * MOST_BODY_BYTES))) == (413, "too_large")


def test_a_body_of_unknown_length_is_refused(authority: RunningAuthority) -> None:
    response = authority.request("POST", "/v1/contact", data=iter([b"a"]))
    assert problem(response) == (411, "length_required")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/contact", 405),
        ("DELETE", "/desk/answer", 405),
        ("GET", "/v2/contact", 404),
        ("POST", "/_control/nothing", 404),
        ("POST", "/_control/keys/5000099999/reset", 404),
        ("GET", "/_control/keys", 405),
    ],
)
def test_unknown_paths_and_wrong_methods_are_problems(
    authority: RunningAuthority, method: str, path: str, status: int
) -> None:
    assert problem(authority.request(method, path))[0] == status


def test_without_control_there_are_no_control_routes(tmp_path: Path) -> None:
    with running_authority(tmp_path, control=False) as authority:
        assert problem(authority.request("GET", "/_control/state")) == (404, "not_found")
        assert problem(authority.request("POST", "/_control/mode", json={"mode": "ok"}))[0] == 404


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]
)
def test_a_web_page_in_a_browser_here_cannot_use_control(
    authority: RunningAuthority, headers: dict[str, str]
) -> None:
    assert problem(authority.request("GET", "/_control/state", headers=headers)) == (403, "not_permitted")


def raw(authority: RunningAuthority, data: bytes) -> bytes:
    """What comes back for bytes sent as they are."""
    host, port = authority.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x00\x05hello\r\n\r\n",
        b"POST /v1/contact HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /v1/contact HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X-Many: 1\r\n" * 200 + b"\r\n",
    ],
)
def test_bytes_that_are_no_good_http_are_refused_and_the_server_goes_on(
    authority: RunningAuthority, data: bytes
) -> None:
    assert b" 200 " not in raw(authority, data).split(b"\r\n")[0]
    assert authority.request("GET", "/_control/state").status_code == 200


def test_a_body_that_ends_early_does_nothing(authority: RunningAuthority) -> None:
    _, jws = Installation(authority.keys).ask(bind())
    head = f"POST /v1/contact HTTP/1.1\r\nContent-Length: {len(jws) + 1}\r\n\r\n".encode()
    assert raw(authority, head + jws.encode()) == b""
    assert authority.state()["bound_to"] is None


def test_the_same_works_over_https_with_a_ca_of_ones_own(tmp_path: Path) -> None:
    with running_authority(tmp_path, tls=certificate(tmp_path)) as authority:
        assert authority.url.startswith("https://localhost:")
        authority.add_key()
        request, jws = Installation(authority.keys).ask(bind())
        response = authority.post("/v1/contact", jws)
        assert verify_answer(response.text, authority.keys, request, jws).keys[0].result == "granted"
        authority.mode("drip")
        with authority.request("POST", "/v1/contact", data=jws, stream=True) as response:
            assert response.raw.read(2) == b"ey"
        authority.mode("blackhole")
        with pytest.raises(requests.ReadTimeout):
            authority.request("POST", "/v1/contact", data=jws, timeout=0.5)
        authority.mode("refuse")
        with pytest.raises(requests.ConnectionError):
            authority.post("/v1/contact", jws)


def test_https_outlives_broken_handshakes(tmp_path: Path) -> None:
    with running_authority(tmp_path, tls=certificate(tmp_path)) as authority:
        port = int(authority.url.rpartition(":")[2])
        for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff", b""):
            with socket.create_connection(("127.0.0.1", port)) as plain:
                plain.sendall(nonsense)
        assert authority.request("GET", "/_control/state").status_code == 200


def certificate(folder: Path) -> tuple[Path, Path, Path]:
    """Chain, key and CA for localhost."""
    ca = trustme.CA()
    issued = ca.issue_cert("localhost")
    chain, key, trusted = (folder / name for name in ("chain.pem", "key.pem", "ca.pem"))
    chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    trusted.write_bytes(ca.cert_pem.bytes())
    return chain, key, trusted


def test_a_request_file_is_answered_at_the_desk_whatever_the_mode(authority: RunningAuthority) -> None:
    authority.mode("refuse")
    portal = Installation(authority.keys)
    request, jws = portal.ask(bind())
    response = authority.post("/desk/contact", jws + "\n")
    assert response.headers["Content-Type"] == "application/jose"
    assert ".kmans" in response.headers["Content-Disposition"]
    answer = verify_answer(response.text, authority.keys, request, jws)
    assert answer.keys[0].result == "granted"
    assert problem(authority.post("/desk/contact", "nothing")) == (400, "malformed")
    authority.mode("ok")
    on_line = verify_answer(authority.post("/v1/contact", jws).text, authority.keys, request, jws)
    assert on_line.keys == answer.keys, "by file and on-line alike"


def test_no_bound_key_of_the_state_is_left_out(authority: RunningAuthority) -> None:
    portal = Installation(authority.keys)
    authority.add_key("5000006623", pin="1111")
    authority.post("/v1/contact", portal.ask(bind())[1])
    state = authority.request("GET", "/_control/state").json()
    assert (state["mode"], state["clock_offset_seconds"]) == ("ok", 0)
    assert state["keys"] == [
        {
            "number": NUMBER,
            "bound_to": portal.key.id,
            "machine": portal.machine,
            "serial": 1,
            "suspended": False,
            "clone_suspected": False,
            "locked_until": None,
        },
        {
            "number": "5000006623",
            "bound_to": None,
            "machine": None,
            "serial": 0,
            "suspended": False,
            "clone_suspected": False,
            "locked_until": None,
        },
    ]
