"""What is not fit to be handled is refused in the form of whoever was called: the API, or anybody else."""

import pytest

from licensing.front.application import Front
from licensing.front.http import Request
from tests.api.calling import Line, Reply


def refused(target: str, **headers: str) -> Reply:
    line = Line()
    Front().refuse(Request(line, "GET", target, headers, is_kept=False), 431, "Too long.\n")
    return line.reply.result(0)


@pytest.mark.parametrize("target", ["/api", "/api/", "/api/v1/leases?a=b", "/%61pi/v1/leases"])
def test_under_api_whatever_cannot_be_read_is_a_bad_request(target: str) -> None:
    reply = refused(target)
    assert (reply.status, reply.code, reply.headers["content-language"]) == (400, "bad_request", "pl")
    assert reply.headers["connection"] == "close"


def test_it_is_told_in_the_callers_language_where_that_was_read() -> None:
    reply = refused("/api/v1/leases", **{"accept-language": "en"})
    assert (reply.json["title"], reply.headers["content-language"]) == ("The request cannot be read", "en")


@pytest.mark.parametrize("target", ["/", "/apis", "/leases?/api/", "/livez"])
def test_elsewhere_it_is_told_in_plain_text(target: str) -> None:
    reply = refused(target)
    assert (reply.status, reply.body) == (431, b"Too long.\n")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
