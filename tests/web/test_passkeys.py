"""Passkeys as a browser sends them, and what strangers send in their place."""

import base64
import hashlib
import json
import os
from collections.abc import Callable

import pytest
from allauth.account.utils import user_pk_to_url_str
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from fido2 import cbor
from fido2.cose import ES256

from licensing.models import User

from .visitors import PASSWORD, Visitor, words

# Where browsers let passkeys be without TLS.
HERE = {"host": "localhost", "accept-language": "en"}
ORIGIN = "http://localhost"
SEEN_AND_VERIFIED, WITH_CREDENTIAL = 0x05, 0x40


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def credential(
    authenticator_data: bytes = b"", client_data: object = None, user_handle: object = "MQ"
) -> str:
    """What the browser's script sends, with bytes of a stranger's choice."""
    said = {"type": "webauthn.get", "challenge": "AA", "origin": "http://testserver"}
    response = {
        "clientDataJSON": encoded(json.dumps(client_data or said).encode()),
        "authenticatorData": encoded(authenticator_data),
        "signature": "AA",
        "userHandle": user_handle,
    }
    return json.dumps({"id": "AA", "rawId": "AA", "type": "public-key", "response": response})


# With a credential whose key is what follows.
WITH_A_KEY = bytes(32) + b"\x41" + bytes(4) + bytes(16) + b"\0\1" + b"x"


@pytest.mark.parametrize(
    "sent",
    [
        "1",
        '{"id": 1}',
        '{"id": "AA", "response": []}',
        "1" * 5000,
        "[" * 100_000,
        credential(),
        credential(bytes(37), ["no", "object"]),
        credential(bytes(37), user_handle={}),
        credential(bytes(37), user_handle=encoded(b"z" * 13)),
        credential(WITH_A_KEY),
        credential(WITH_A_KEY + b"\x19\1"),
        credential(WITH_A_KEY + b"\x81" * 3000),
        credential(WITH_A_KEY + b"\x9f"),
    ],
    ids=range(13),
)
def test_what_is_no_passkey_is_refused_like_a_wrong_one(sent: str, viewer: Visitor) -> None:
    client = Client(headers={"accept-language": "en"})
    client.get(reverse("mfa_login_webauthn"), headers={"x-requested-with": "XMLHttpRequest"})
    page = client.post(reverse("mfa_login_webauthn"), {"credential": sent}, follow=True)
    assert page.redirect_chain == [(reverse("account_login"), 302)]
    assert client.get(reverse("modules")).status_code == 302
    assert "Incorrect code." in words(page)  # type: ignore[arg-type]


class Device:
    """A telephone that holds a passkey and has seen its owner's finger."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._id = os.urandom(16)

    def made(self, challenge: str) -> str:
        """A new passkey; the device says that it needs no name to log in, as most say of all theirs."""
        public = cbor.encode(dict(ES256.from_cryptography_key(self._key.public_key())))  # type: ignore[no-untyped-call]
        about = self._about(SEEN_AND_VERIFIED | WITH_CREDENTIAL) + bytes(16) + b"\0\x10" + self._id + public
        sealed = cbor.encode({"fmt": "none", "attStmt": {}, "authData": about})
        said = self._said("webauthn.create", challenge, ORIGIN)
        return self._sent(clientDataJSON=encoded(said), attestationObject=encoded(sealed))

    def shown(self, challenge: str, owner: User, origin: str = ORIGIN) -> str:
        """The passkey, shown to who asks at that origin."""
        said, about = self._said("webauthn.get", challenge, origin), self._about(SEEN_AND_VERIFIED)
        signature = self._key.sign(about + hashlib.sha256(said).digest(), ec.ECDSA(hashes.SHA256()))
        return self._sent(
            clientDataJSON=encoded(said),
            authenticatorData=encoded(about),
            signature=encoded(signature),
            userHandle=encoded(str(user_pk_to_url_str(owner)).encode()),
        )

    def _about(self, flags: int) -> bytes:
        return hashlib.sha256(b"localhost").digest() + bytes([flags]) + bytes(4)

    def _said(self, what: str, challenge: str, origin: str) -> bytes:
        return json.dumps({"type": what, "challenge": challenge, "origin": origin}).encode()

    def _sent(self, **response: str) -> str:
        given = {
            "id": encoded(self._id),
            "rawId": encoded(self._id),
            "type": "public-key",
            "response": response,
        }
        return json.dumps(given | {"clientExtensionResults": {"credProps": {"rk": True}}})


def asked(client: Client) -> str:
    """What the page wants signed."""
    challenge: str = client.session["mfa.webauthn.state"]["challenge"]
    return challenge


def add(visitor: Visitor, **chosen: str) -> Device:
    """A new passkey of a visitor."""
    device, address = Device(), reverse("mfa_add_webauthn")
    visitor.post("account_reauthenticate", password=PASSWORD)
    visitor.client.get(address, headers=HERE)
    sent = {"name": "telephone", "credential": device.made(asked(visitor.client)), **chosen}
    assert visitor.client.post(address, sent, headers=HERE).status_code == 302
    return device


def log_in(show: Callable[[str], str]) -> tuple[Client, HttpResponse]:
    """Somebody who logs in by a passkey alone."""
    client, address = Client(headers=HERE), reverse("mfa_login_webauthn")
    client.get(address, headers={"x-requested-with": "XMLHttpRequest"})
    page = client.post(address, {"credential": show(asked(client))}, follow=True)
    return client, page  # type: ignore[return-value]


def is_in(client: Client) -> bool:
    return client.get(reverse("modules")).status_code == 200


def test_a_passkey_chosen_for_it_stands_in_for_the_password(viewer: Visitor) -> None:
    device = add(viewer, passwordless="on")
    client, _page = log_in(lambda challenge: device.shown(challenge, viewer.user))
    assert is_in(client)
    assert "logs in without a password" in viewer.reads("mfa_list_webauthn")


def test_a_passkey_that_is_a_second_factor_lets_nobody_in_alone(viewer: Visitor) -> None:
    device = add(viewer)
    assert "telephone second factor" in viewer.reads("mfa_list_webauthn")
    client, page = log_in(lambda challenge: device.shown(challenge, viewer.user))
    assert "This passkey is a second factor: log in with your password" in words(page)
    assert not is_in(client)
    client.post(reverse("account_login"), {"login": viewer.user.username, "password": PASSWORD})
    client.get(reverse("mfa_authenticate"))
    client.post(reverse("mfa_authenticate"), {"credential": device.shown(asked(client), viewer.user)})
    assert is_in(client)


def test_a_passkey_is_good_for_its_owner_and_this_portal_alone(
    viewer: Visitor, administrator: Visitor
) -> None:
    device = add(viewer, passwordless="on")
    add(administrator, passwordless="on")
    for show in (
        lambda challenge: device.shown(challenge, administrator.user),
        lambda challenge: device.shown(challenge, viewer.user, "https://localhost.example"),
        lambda challenge: device.shown(encoded(bytes(32)), viewer.user),
    ):
        client, page = log_in(show)
        assert "Incorrect code." in words(page)
        assert not is_in(client)
