"""Somebody with a browser: what the pages say to him, and what he sends them."""

import html
import re
from html.parser import HTMLParser
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from licensing.models import Role, User
from licensing.operations.actors import COMMAND
from licensing.operations.users import create_user
from tests.factories import NOW

PASSWORD = "a good long password"


class Visitor:
    """A person who is logged in."""

    def __init__(self, client: Client, user: User) -> None:
        self.client = client
        self.user = user

    def get(self, name: str, /, *args: object, **query: str) -> HttpResponse:
        return self.client.get(reverse(name, args=args), query)  # type: ignore[return-value]

    def post(self, name: str, /, *args: object, follow: bool = True, **data: Any) -> HttpResponse:
        return self.client.post(reverse(name, args=args), data, follow=follow)  # type: ignore[return-value]

    def reads(self, name: str, /, *args: object, **query: str) -> str:
        """The words of a page, without its marks."""
        response = self.get(name, *args, **query)
        assert response.status_code == 200, response.status_code
        return words(response)


def words(response: HttpResponse) -> str:
    """The text of a page as a person reads it."""
    text = re.sub(r"<(script|style|title)\b.*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def logged_in(role: Role, username: str | None = None) -> Visitor:
    """A new user of that role who has just logged in by the log-in page."""
    name = username or f"{role.value}-{User.objects.count()}"
    user = create_user(NOW, COMMAND, name, PASSWORD, role)
    others = User.objects.filter(role=Role.ADMINISTRATOR).exclude(pk=user.pk)
    if not others.exists() and role is not Role.ADMINISTRATOR:
        # Without an administrator the log-in page leads to the first run.
        create_user(NOW, COMMAND, "somebody-else", PASSWORD, Role.ADMINISTRATOR)
    client = Client(headers={"accept-language": "en"})
    response = client.post(reverse("account_login"), {"login": name, "password": PASSWORD})
    assert response.status_code == 302, words(response)  # type: ignore[arg-type]
    return Visitor(client, user)


class _Marks(HTMLParser):
    """Notes every mark of a page that could run something or fetch from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.foreign: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        links = [given.get(name) or "" for name in ("src", "href", "action", "hx-get")]
        if (
            tag in ("iframe", "object", "embed", "img", "style", "base")
            or (tag == "script" and not (given.get("src") or "").startswith("/static/"))
            or any(name.startswith("on") or name in ("style", "hx-on") for name in given)
            or any(re.match(r"\s*(javascript|data|https?):|//", link) for link in links)
        ):
            self.foreign.append(self.get_starttag_text() or tag)


def foreign_marks(response: HttpResponse) -> list[str]:
    """The marks of a page that are not ours: inline script or style, pictures, addresses outside."""
    marks = _Marks()
    marks.feed(response.content.decode())
    return marks.foreign
