"""A new signing key: told by answers that installations can verify already, and signing one change later."""

from pathlib import Path

import pytest

from authority.application import open_application
from licensing.protocol import AuthorityKeys, BadSignature, sign_answer, verify_answer
from tests.authority.material import NOW, Installation, Vendor, bind, renew


def test_installations_follow_two_changes_without_a_new_file(tmp_path: Path) -> None:
    vendor = Vendor(tmp_path)
    vendor.add_key()
    portal = vendor.installation()
    pinned = known = vendor.keys
    known = contact(vendor, portal, known, 0)
    assert known == pinned, "no key set is told before there is a change"
    vendor.close()
    for serial in (1, 2):
        open_application(vendor.folder, new_signing_key=True).store.close()
        vendor = Vendor(tmp_path)
        known = contact(vendor, portal, known, serial)
        assert known == vendor.keys
        vendor.close()
    assert len([key for key in known.keys if key.use == "sig"]) == 3
    vendor = Vendor(tmp_path)
    with pytest.raises(BadSignature):
        contact(vendor, portal, pinned, 3)
    vendor.close()


def contact(vendor: Vendor, portal: Installation, known: AuthorityKeys, serial: int) -> AuthorityKeys:
    """The keys known after a contact, by a portal that knows `known` before."""
    request, jws = portal.ask(renew(serial) if serial else bind())
    signed = sign_answer(vendor.application.contact.answer(jws, NOW), vendor.application.vault.keys)
    answer = verify_answer(signed, known, request, jws)
    assert answer.keys[0].result == "granted"
    return known if answer.jwks is None else known.updated(answer.jwks)[0]
