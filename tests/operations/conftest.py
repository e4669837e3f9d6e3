"""A portal in contact with a real authority."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.authority_process import RunningAuthority
    from tests.vendor_link import Link


@pytest.fixture
def authority(tmp_path: Path) -> "Iterator[RunningAuthority]":
    """Return an authority that knows the key 5000006622."""
    from tests.authority_process import running_authority

    with running_authority(tmp_path) as running:
        running.add_key()
        yield running


@pytest.fixture
def link(db: None, settings: Any, authority: "RunningAuthority", monkeypatch: pytest.MonkeyPatch) -> "Link":
    """Return the portal of this process, pointed to that authority; no key is added yet."""
    from licensing.operations import clock
    from tests.vendor_link import link_to

    settings.KEYMANAGER = settings.KEYMANAGER  # noted, so that it is put back
    link = link_to(authority)
    monkeypatch.setattr(clock, "clocks", link.reading)
    return link
