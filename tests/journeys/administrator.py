"""An administrator at the pages, without a browser: forms are read as they are shown, filled in and sent."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests


@dataclass
class Form:
    """A form of a page, with the values that it would send as it is."""

    action: str
    values: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    label: str = ""


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._area = self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(given.get("action", ""))
            self.forms.append(self._form)
        elif self._form is not None:
            self._field(tag, given)

    def _field(self, tag: str, given: dict[str, str]) -> None:
        assert self._form is not None
        name, values = given.get("name", ""), self._form.values
        if name and tag in ("input", "select", "textarea", "button"):
            self._form.names.add(name)
        if tag == "input" and name and given.get("type") not in ("checkbox", "radio", "submit", "file"):
            values[name] = given.get("value", "")
        elif tag == "input" and name and "checked" in given:
            values[name] = given.get("value", "on")
        elif tag == "textarea":
            self._area, values[name] = name, ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and ("selected" in given or self._select not in values):
            values[self._select] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._form is not None and self._area:
            self._form.values[self._area] += data.removeprefix("\n")
        elif self._form is not None:
            self._form.label += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "textarea":
            self._area = ""


class Administrator:
    """Somebody who logs in and fills in forms."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.trust_env = False
        answer = self.fill("/accounts/login/", login=username, password=password)
        assert "/accounts/" not in answer.url, answer.text

    def get(self, path: str) -> requests.Response:
        return self.http.get(urljoin(self.url, path), timeout=30)

    def fill(self, path: str, **values: str | None) -> requests.Response:
        """Send the form of a page that has these fields; a value of None leaves the field out."""
        page = self.get(path)
        assert page.status_code == 200, page.text
        reader = _Forms()
        reader.feed(page.text)
        forms = [form for form in reader.forms if form.names >= set(values)]
        assert forms, (path, values, [form.names for form in reader.forms])
        form = forms[0]
        sent = {name: value for name, value in {**form.values, **values}.items() if value is not None}
        answer = self.http.post(
            urljoin(page.url, form.action), data=sent, headers={"Referer": page.url}, timeout=30
        )
        assert answer.status_code == 200, answer.text
        return answer
