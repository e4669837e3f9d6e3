"""A real slapd tells who somebody is: password, group, TLS, and what goes wrong."""

import pytest
from ldap3 import MODIFY_ADD, MODIFY_DELETE

from licensing.directory import DirectoryTrouble
from licensing.serving.ports import free_port
from tests.slapd import BASE, GROUPS, PASSWORD, PORTAL_PASSWORD, Slapd, dn_of


@pytest.mark.parametrize(
    ("name", "group"), [("ewa", "administrator"), ("jan", "operator"), ("ola", "viewer")]
)
def test_a_person_is_found_with_the_highest_group_whatever_its_class(
    name: str, group: str, slapd: Slapd
) -> None:
    person = slapd.directory().look_up(name, PASSWORD)
    assert person is not None
    assert (person.username, person.group) == (name, group)
    assert person.email == ("ewa@firma.example" if name == "ewa" else "")


def test_a_person_in_no_group_is_known_without_one(slapd: Slapd) -> None:
    person = slapd.directory().look_up("piotr", PASSWORD)
    assert person is not None
    assert person.group is None


def test_the_name_is_as_the_directory_spells_it(slapd: Slapd) -> None:
    person = slapd.directory().look_up("JAN", PASSWORD)
    assert person is not None
    assert person.username == "jan"


@pytest.mark.parametrize(
    ("name", "password"), [("jan", "wrong"), ("nobody", PASSWORD), ("jan", ""), ("", "x")]
)
def test_a_wrong_password_an_unknown_name_and_empty_ones_find_nobody(
    name: str, password: str, slapd: Slapd
) -> None:
    assert slapd.directory().look_up(name, password) is None


@pytest.mark.parametrize(
    "name",
    ["*", "ja*", "jan)(uid=*", "*)(objectClass=*", "jan)(|(uid=*", "\\2a", "jan\0", "j\\61n", "é" * 5000],
)
def test_a_name_is_a_name_and_no_part_of_a_filter(name: str, slapd: Slapd) -> None:
    assert slapd.directory().look_up(name, PASSWORD) is None


def test_a_dn_with_commas_and_brackets_is_no_part_of_a_filter_either(slapd: Slapd) -> None:
    assert "(IT)" in dn_of("jan")
    person = slapd.directory(KEYMANAGER_LDAP_MEMBER_FILTER="(member={dn})").look_up("jan", PASSWORD)
    assert person is not None
    assert person.group == "operator"


def test_a_dn_that_names_a_place_of_the_filter_is_no_other_persons(slapd: Slapd) -> None:
    named = f"cn={{user}},ou=people,{BASE}"
    someone = f"cn=piotr,ou=people,{BASE}"
    slapd.change(GROUPS["KEYMANAGER_LDAP_ADMINISTRATORS"], {"uniqueMember": [(MODIFY_ADD, [someone])]})
    slapd.rename(dn_of("piotr"), "{user}")
    try:
        person = slapd.directory().look_up("piotr", PASSWORD)
    finally:
        slapd.rename(named, "Piotr Kowalski\\, (IT)")
        slapd.change(GROUPS["KEYMANAGER_LDAP_ADMINISTRATORS"], {"uniqueMember": [(MODIFY_DELETE, [someone])]})
    assert person is not None
    assert (person.dn, person.group) == (named, None)


def test_start_tls_comes_before_any_password(slapd: Slapd) -> None:
    # This slapd refuses a password without TLS.
    assert slapd.directory(KEYMANAGER_LDAP_URL=slapd.plain_url).look_up("jan", PASSWORD) is not None


@pytest.mark.parametrize("which", ["url", "plain_url"])
def test_a_certificate_of_a_stranger_is_not_trusted(which: str, slapd: Slapd) -> None:
    from keymanager.directory import read_directory

    stranger = read_directory(slapd.settings(KEYMANAGER_LDAP_URL=getattr(slapd, which)), None)
    assert stranger is not None
    with pytest.raises(DirectoryTrouble, match="certificate"):
        stranger.look_up("jan", PASSWORD)


def test_a_certificate_for_another_name_is_not_trusted(slapd: Slapd) -> None:
    elsewhere = slapd.directory(KEYMANAGER_LDAP_URL=slapd.url.replace("localhost", "127.0.0.1"))
    with pytest.raises(DirectoryTrouble, match="certificate"):
        elsewhere.look_up("jan", PASSWORD)


def test_the_next_server_is_asked_where_one_does_not_answer(slapd: Slapd) -> None:
    both = slapd.directory(KEYMANAGER_LDAP_URL=f"ldaps://localhost:{free_port()},{slapd.url}")
    assert both.look_up("jan", PASSWORD) is not None


def test_where_nothing_answers_the_trouble_names_the_server_and_no_password(slapd: Slapd) -> None:
    port = free_port()
    away = slapd.directory(KEYMANAGER_LDAP_URL=f"ldaps://localhost:{port}")
    with pytest.raises(DirectoryTrouble, match=f"localhost:{port}") as trouble:
        away.look_up("jan", PASSWORD)
    assert PASSWORD not in str(trouble.value)
    assert PORTAL_PASSWORD not in str(trouble.value) + repr(away)


def test_the_portals_own_wrong_password_is_no_wrong_password_of_the_user(slapd: Slapd) -> None:
    shut_out = slapd.directory(KEYMANAGER_LDAP_BIND_PASSWORD="changed meanwhile")
    with pytest.raises(DirectoryTrouble, match="the portal's own name or password"):
        shut_out.look_up("jan", PASSWORD)


def test_a_base_that_is_not_there_finds_nobody_and_a_group_that_is_not_there_has_nobody(slapd: Slapd) -> None:
    assert slapd.directory(KEYMANAGER_LDAP_BASE_DN=f"ou=nowhere,{BASE}").look_up("jan", PASSWORD) is None
    gone = slapd.directory(KEYMANAGER_LDAP_OPERATORS=f"cn=gone,ou=groups,{BASE}")
    person = gone.look_up("jan", PASSWORD)
    assert person is not None
    assert person.group is None


def test_a_name_that_several_people_have_lets_nobody_in(slapd: Slapd) -> None:
    with pytest.raises(DirectoryTrouble, match="several people"):
        slapd.directory(KEYMANAGER_LDAP_USER_ATTRIBUTE="sn").look_up("Kowalski", PASSWORD)


def test_who_leaves_a_group_is_no_longer_in_it(slapd: Slapd) -> None:
    import ldap3

    assert slapd.directory().look_up("zenon.odszedł", PASSWORD).group == "operator"  # type: ignore[union-attr]
    group = GROUPS["KEYMANAGER_LDAP_OPERATORS"]
    slapd.change(group, {"member": [(ldap3.MODIFY_DELETE, [dn_of("zenon.odszedł")])]})
    assert slapd.directory().look_up("zenon.odszedł", PASSWORD).group is None  # type: ignore[union-attr]
    slapd.change(group, {"member": [(ldap3.MODIFY_ADD, [dn_of("zenon.odszedł")])]})
