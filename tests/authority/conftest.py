"""Authorities for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.authority.material import Installation, Vendor
from tests.authority_process import RunningAuthority, running_authority


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[Vendor]:
    """Rules without a network, with the demo's first key."""
    vendor = Vendor(tmp_path)
    vendor.add_key()
    yield vendor
    vendor.close()


@pytest.fixture
def portal(vendor: Vendor) -> Installation:
    return vendor.installation()


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[RunningAuthority]:
    """The authority on a free loopback port, with the demo's first key."""
    with running_authority(tmp_path) as authority:
        authority.add_key()
        yield authority
