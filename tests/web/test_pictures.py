"""The pictures of the pages (make screenshots): of every page there is one."""

from django.urls import Resolver404, resolve

from tools.screenshots import EMPTY, ENTRANCE, FIRST_RUN, PAGES

from .test_roles import ALLOWED, address, ids
from .visitors import Visitor

__all__ = ["ids"]
# Parts of pages: of that of the logs, fetched while they are packed, and of each.
PARTS = {"log_pack_progress", "light"}


def pictured() -> set[str]:
    """The names of the addresses that pictures are taken of."""
    found = {"invitation", "diagnosis_progress"}  # which the tool makes for their pictures
    for path in (ENTRANCE | PAGES | FIRST_RUN | EMPTY).values():
        try:
            found.add(resolve("/" + path.partition("?")[0]).url_name or "")
        except Resolver404:
            continue  # the pages of the API, and the one that is not found
    return found


def test_of_every_page_there_is_a_picture(administrator: Visitor, ids: dict[str, int]) -> None:
    pages = set()
    for name in sorted(set(ALLOWED) - {"account_logout"}):
        response = administrator.client.get(address(name, ids))
        if response.status_code == 200 and response["Content-Type"].startswith("text/html"):
            pages.add(name)
    assert len(pages) >= 40
    assert pages - pictured() == PARTS
