"""Connections of the front that a test talks to."""

from collections.abc import Iterator

import pytest

from tests.front.talking import Caller, Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def caller(server: Server) -> Iterator[Caller]:
    with server.call() as calling:
        yield calling
