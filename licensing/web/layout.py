"""What stands on every page: the status light with its reason, the tabs, who is logged in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from licensing.models import Role, User
from licensing.operations.clock import NOTICEABLE, clock_ahead
from licensing.operations.durations import duration
from licensing.operations.health import mail_failing, worker_silent
from licensing.operations.moment import Moment
from licensing.operations.status import Status

from .moments import moment_of
from .words import LIGHTS, reason_sentence


@dataclass(frozen=True)
class Tab:
    """One entry of the navigation; `open` on the pages that belong to it, `letter` leads there after `g`."""

    label: Any
    icon: str
    url: str
    letter: str
    open: bool


@dataclass(frozen=True)
class Runway:
    """Until when a key's modules work without another contact; without a number: those of every key."""

    number: str
    until: datetime


@dataclass(frozen=True)
class StatusBar:
    """The light, why it shows that colour, and how long the modules work without another contact."""

    light: str
    title: str
    sentences: list[str]
    runways: list[Runway]
    contact_failing: bool
    worker_silent: bool

    @property
    def reason(self) -> str:
        """The sentence that stands beside the light; empty where all is well."""
        return self.sentences[0] if self.sentences else ""

    @property
    def is_cut(self) -> bool:
        """Whether a telephone's strip has no room for the whole reason."""
        return len(self.reason) > NARROW_LETTERS - (RUNWAY_LETTERS if self.runway else 0)

    @property
    def more_reasons(self) -> list[str]:
        """The sentences that the strip has no room for."""
        return self.sentences[1:]

    @property
    def runway(self) -> Runway | None:
        """The one that ends first."""
        return self.runways[0] if self.runways else None

    @property
    def more_runways(self) -> list[Runway]:
        """Those of the keys that stop later."""
        return self.runways[1:]

    @property
    def has_more(self) -> bool:
        """Whether there is something to read below the strip."""
        return bool(self.more_reasons or self.more_runways or self.contact_failing or self.worker_silent)


SAME = timedelta(minutes=1)
MOST_RUNWAYS = 3
# What fits into the strip of a telephone, and what of it the runway takes.
NARROW_LETTERS = 45
RUNWAY_LETTERS = 15

# name of the first page, label, icon, role, letter
TABS = [
    ("modules", gettext_lazy("Available modules"), "apps", Role.VIEWER, "m"),
    ("leases", gettext_lazy("Taken modules"), "device-desktop", Role.VIEWER, "t"),
    ("configuration", gettext_lazy("Configuration"), "settings", Role.VIEWER, "c"),
    ("refusals", gettext_lazy("Refusals"), "ban", Role.VIEWER, "r"),
    ("history", gettext_lazy("History"), "chart-line", Role.VIEWER, "h"),
    ("events", gettext_lazy("Events"), "history", Role.VIEWER, "e"),
    ("clients", gettext_lazy("ERP clients"), "plug", Role.ADMINISTRATOR, "k"),
    ("users", gettext_lazy("Users"), "users", Role.ADMINISTRATOR, "u"),
]


def layout(request: HttpRequest) -> dict[str, Any]:
    """The context of the layout; read only when a template asks for it."""
    user = getattr(request, "user", None)
    context: dict[str, Any] = {
        "version": settings.VERSION,
        "time_zone": settings.TIME_ZONE,
        "without_tls": not request.is_secure(),
    }
    if isinstance(user, User) and user.is_authenticated:
        role, seen = Role(user.role), moment_of(request)
        context |= {
            "now": seen.now,
            "tabs": _tabs(role, request.path),
            "may_operate": role.may(Role.OPERATOR),
            "may_administer": role.may(Role.ADMINISTRATOR),
            "status_bar": SimpleLazyObject(lambda: status_bar(seen)),
        }
    return context


def status_bar(seen: Moment) -> StatusBar:
    """The state of the portal in words."""
    found = seen.status
    silent = worker_silent(seen.now)
    sentences = [reason_sentence(reason) for reason in found.reasons]
    if silent:
        sentences.append(_("The worker stands still: contact, mail and tidying wait for it."))
    if mail_failing(seen.now):
        sentences.append(_("E-mails cannot be delivered: see E-mails under Configuration."))
    if seen.clock is None:
        sentences.append(
            _("The portal's time is not known, as its seal is broken; the next contact restores it.")
        )
    sentences += _clock(clock_ahead(seen.clock))
    light = "yellow" if silent and found.light == "green" else found.light
    return StatusBar(
        light=light,
        title=str(LIGHTS[light]),
        sentences=sentences,
        runways=_runways(found),
        contact_failing="contact_failing" in found.reasons or "contact_lost" in found.reasons,
        worker_silent=silent,
    )


def _clock(ahead: timedelta) -> list[str]:
    """What is wrong with the server's clock, in words."""
    if abs(ahead) <= NOTICEABLE:
        return []
    words = {"by": duration(abs(ahead).total_seconds())}
    if ahead > timedelta(0):
        return [_("The server's clock was set forward by %(by)s; the portal reckons with its own.") % words]
    return [_("The server's clock was set back by %(by)s; the portal reckons with its own.") % words]


def _runways(found: Status) -> list[Runway]:
    """The keys that stop first for want of contact; one line where all stop at the same minute."""
    ends = sorted(
        (key.contact_deadline, key.number)
        for key in found.keys
        if key.contact_deadline is not None and key.contact_deadline > found.server_time
    )
    if not ends or ends[-1][0] - ends[0][0] < SAME:
        return [Runway("", end) for end, _number in ends[:1]]
    return [Runway(number, end) for end, number in ends[:MOST_RUNWAYS]]


def _tabs(role: Role, path: str) -> list[Tab]:
    tabs = []
    for name, label, icon, needed, letter in TABS:
        if role.may(needed):
            url = reverse(name)
            is_open = path == url or (url != "/" and path.startswith(url + "/"))
            tabs.append(Tab(label, icon, url, letter, is_open))
    return tabs
