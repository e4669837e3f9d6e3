"""What strangers send in place of a passkey."""

import base64
import json

import pytest
from django.test import Client
from django.urls import reverse

from .visitors import Visitor, words


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
