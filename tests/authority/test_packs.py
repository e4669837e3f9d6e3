"""Code packs: when an installation gets a new one, and that the same one is the same bytes."""

from datetime import timedelta

from authority.packs import code_of
from licensing.protocol import PACK_SLOTS, proves, slot_of
from tests.authority.material import NOW, NUMBER, OTHER, Installation, Vendor, bind, renew
from tests.authority_process import DEMO_MODULES, module


def test_a_contact_brings_commitments_for_thirty_days(vendor: Vendor, portal: Installation) -> None:
    pack = portal.pack(vendor.contact(portal, bind()))
    assert (pack.pack, pack.first_slot, len(pack.commitments)) == (1, slot_of(NOW), PACK_SLOTS)
    assert pack.keys == {NUMBER: 1}
    assert len(set(pack.commitments)) == PACK_SLOTS
    for slot in (pack.first_slot, pack.first_slot + 29):
        assert proves(pack, slot, code_of(vendor.application.vault, pack, slot))


def test_the_same_day_and_grants_bring_the_same_bytes(vendor: Vendor, portal: Installation) -> None:
    first = vendor.contact(portal, bind())
    again = vendor.contact(portal, renew(1), now=NOW + timedelta(hours=15))
    assert again.codes == first.codes


def test_each_day_brings_a_new_pack(vendor: Vendor, portal: Installation) -> None:
    vendor.contact(portal, bind())
    late = vendor.contact(portal, renew(1), now=NOW + timedelta(hours=16))
    pack = portal.pack(late)
    assert (pack.pack, pack.first_slot, pack.keys) == (2, slot_of(NOW) + 1, {NUMBER: 2})


def test_other_keys_modules_or_seats_bring_a_new_pack(vendor: Vendor, portal: Installation) -> None:
    vendor.add_key(OTHER)
    numbers = [portal.pack(vendor.contact(portal, bind())).pack]
    numbers.append(portal.pack(vendor.contact(portal, renew(1), bind(OTHER))).pack)
    vendor.add_key(modules=[module("HANDEL", 6), *DEMO_MODULES[1:]])
    numbers.append(portal.pack(vendor.contact(portal, renew(2), renew(1, OTHER))).pack)
    vendor.add_key(modules=DEMO_MODULES[1:])
    numbers.append(portal.pack(vendor.contact(portal, renew(3), renew(2, OTHER))).pack)
    vendor.suspend(OTHER)
    numbers.append(portal.pack(vendor.contact(portal, renew(4), renew(3, OTHER))).pack)
    assert numbers == [1, 2, 3, 4, 5]


def test_other_names_or_dates_of_modules_bring_no_new_pack(vendor: Vendor, portal: Installation) -> None:
    first = vendor.contact(portal, bind())
    vendor.add_key(modules=[{**given, "warranty_until": "2030-01-01"} for given in DEMO_MODULES])
    assert vendor.contact(portal, renew(1)).codes == first.codes


def test_a_contact_that_grants_nothing_brings_no_pack(vendor: Vendor, portal: Installation) -> None:
    assert vendor.contact(portal, bind(pin="9999")).codes is None
    assert vendor.contact(portal).codes is None


def test_packs_of_two_installations_count_by_themselves_and_share_no_code(
    vendor: Vendor, portal: Installation
) -> None:
    vendor.add_key(OTHER)
    stranger = vendor.installation()
    ours = portal.pack(vendor.contact(portal, bind()))
    theirs = stranger.pack(vendor.contact(stranger, bind(OTHER)))
    assert ours.pack == theirs.pack == 1
    assert not set(ours.commitments) & set(theirs.commitments)
    assert ours.challenge_key != theirs.challenge_key
