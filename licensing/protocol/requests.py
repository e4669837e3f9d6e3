"""The contact request and the credentials in it: written by an installation, read by the authority."""

import hashlib

from joserfc.jwk import ECKey

from .encoding import encode_bytes
from .errors import BadSignature, MalformedMessage, WrongMessage
from .fields import (
    CUSTOMER,
    EMAIL,
    INSTALLATION_ID,
    KEY_NUMBER,
    LARGEST_COUNT,
    MACHINE,
    MOST_KEYS,
    NAME,
    PIN,
    REQUEST_ID,
    TEXT,
    Fields,
)
from .jose import WHITE_SPACE, Header, Members, open_jwe, open_jws, seal_jwe, sign_jws
from .keys import AuthorityKeys, AuthoritySecrets, InstallationKey, public_key
from .messages import ContactRequest, Credentials, InstallationInfo, KeyRequest
from .times import format_instant

REQUEST_TYPE = "km-contact+jws"
MOST_RELEASES = 1000


def sign_request(request: ContactRequest, key: InstallationKey) -> str:
    """The request as a compact JWS by the installation itself.

    Raises ValueError if it is another installation's.
    """
    if request.installation.id != key.id:
        raise ValueError("an installation signs only its own requests")
    header = {"kid": key.id, "typ": REQUEST_TYPE, "jwk": key.public_jwk}
    return sign_jws(_request_members(request), key.key, header)


def _request_members(request: ContactRequest) -> dict[str, object]:
    who = request.installation
    return {
        "v": 1,
        "request_id": request.request_id,
        "sent_at": format_instant(request.sent_at),
        "installation": {"id": who.id, "name": who.name, "machine": who.machine, "portal": who.portal},
        "keys": [_key_members(key) for key in request.keys],
        "release": list(request.release),
    }


def _key_members(key: KeyRequest) -> dict[str, object]:
    members: dict[str, object] = {"number": key.number, "serial": key.serial}
    return members if key.credentials is None else members | {"credentials": key.credentials}


def request_sha256(request_jws: str) -> str:
    """What an answer quotes: base64url of SHA-256 of the request's characters without white space around."""
    return encode_bytes(hashlib.sha256(request_jws.strip(WHITE_SPACE).encode("utf-8")).digest())


def verify_request(request_jws: str) -> ContactRequest:
    """The request in a JWS that was signed by the very installation that it names.

    Raises BadSignature (header, key, thumbprint or signature: 401) or MalformedMessage (no JWS, or the
    payload: 400).
    """
    try:
        opened = open_jws(request_jws, REQUEST_TYPE, _own_key, may_have=frozenset({"jwk"}))
    except WrongMessage:
        raise BadSignature("the header is not that of a contact request") from None
    request = _read_request(opened.members)
    if request.installation.id != opened.header["kid"]:
        raise BadSignature("signed by another installation than it names")
    return request


def _own_key(header: Header) -> ECKey:
    try:
        key = public_key(header.get("jwk"))
    except MalformedMessage as error:
        raise BadSignature(str(error)) from None
    if key.thumbprint() != header["kid"]:
        raise BadSignature("kid is not the thumbprint of jwk")
    return key


def _read_request(members: Members) -> ContactRequest:
    fields = Fields(members, "the request").version_1()
    fields.only("v", "request_id", "sent_at", "installation", "keys", "release")
    keys = tuple(_read_key(item) for item in fields.items("keys", MOST_KEYS))
    fields.different("keys", tuple(key.number for key in keys))
    return ContactRequest(
        request_id=fields.text("request_id", REQUEST_ID),
        sent_at=fields.instant("sent_at"),
        installation=_read_installation(fields.any("installation")),
        keys=keys,
        release=fields.numbers("release", MOST_RELEASES),
    )


def _read_installation(value: object) -> InstallationInfo:
    fields = Fields(value, "installation").only("id", "name", "machine", "portal")
    return InstallationInfo(
        id=fields.text("id", INSTALLATION_ID),
        name=fields.text("name", NAME),
        machine=fields.text("machine", MACHINE),
        portal=fields.text("portal", NAME),
    )


def _read_key(value: object) -> KeyRequest:
    fields = Fields(value, "a key asked for").only("number", "serial", "credentials")
    return KeyRequest(
        number=fields.text("number", KEY_NUMBER),
        serial=fields.whole("serial", 0, LARGEST_COUNT),
        # What is no JWE is wrong for this key alone.
        credentials=fields.text("credentials", TEXT) if fields.has("credentials") else None,
    )


def seal_credentials(credentials: Credentials, keys: AuthorityKeys) -> str:
    """The credentials as a compact JWE that only the authority can open."""
    sealing = keys.sealing
    return seal_jwe(
        {
            "request_id": credentials.request_id,
            "installation": credentials.installation,
            "number": credentials.number,
            "customer": credentials.customer,
            "pin": credentials.pin,
            "email": credentials.email,
        },
        sealing.key,
        sealing.kid,
    )


def open_credentials(
    jwe: str, secrets: AuthoritySecrets, request: ContactRequest, number: str
) -> Credentials:
    """The credentials sealed for key `number` in `request`.

    Raises a ProtocolError if they do not open, break their shape, or are not this request's and this key's:
    stolen credentials in a thief's own request prove nothing.
    """
    credentials = _read_credentials(open_jwe(jwe, secrets.opener, public_key))
    theirs = (credentials.request_id, credentials.installation, credentials.number)
    if theirs != (request.request_id, request.installation.id, number):
        raise WrongMessage("credentials that belong to another request")
    return credentials


def _read_credentials(members: Members) -> Credentials:
    fields = Fields(members, "the credentials")
    fields.only("request_id", "installation", "number", "customer", "pin", "email")
    return Credentials(
        request_id=fields.text("request_id", REQUEST_ID),
        installation=fields.text("installation", INSTALLATION_ID),
        number=fields.text("number", KEY_NUMBER),
        customer=fields.text("customer", CUSTOMER),
        pin=fields.text("pin", PIN),
        email=fields.or_none("email", lambda: fields.text("email", EMAIL)),
    )
