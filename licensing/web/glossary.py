"""The glossary: what the words of the portal mean, one for each idea."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from licensing.models import Role

from .access import needs

WORDS = [
    (
        _("Virtual key"),
        _(
            "What you bought: ten digits that begin with 50000, with a customer id and a PIN. It carries "
            "modules, and is active in one Key Manager only."
        ),
    ),
    (_("Module"), _("A part of an ERP program that needs a licence, with a code such as HANDEL.")),
    (
        _("Seat"),
        _("The right of one user at one workstation to work with a module. A module has as many as bought."),
    ),
    (
        _("Lease"),
        _(
            "What a program holds while somebody works with it: a seat of each module that it took, until it "
            "is returned or ends."
        ),
    ),
    (_("ERP client"), _("An application that takes modules by the API; it shows who it is by a token.")),
    (_("Workstation"), _("The computer at which the program runs, by the name that the program gives.")),
    (_("Checkout"), _("A program asks for modules: it gets all that it needs as one lease, or is refused.")),
    (
        _("Heartbeat"),
        _("A program's sign of life, after a third of the inactivity time. Each one prolongs its lease."),
    ),
    (
        _("Return of a lease"),
        _("A program gives its lease back when the user logs out; its seats are free at once."),
    ),
    (_("Expiry of a lease"), _("The program has given no sign of life for the inactivity time.")),
    (
        _("Release of a lease"),
        _("An operator or administrator ends a lease. The program notices at its next heartbeat."),
    ),
    (
        _("Contact"),
        _(
            "The portal speaks with the vendor's servers, by itself every two hours and after “Update "
            "modules”. Each contact lets the modules work for another 72 hours."
        ),
    ),
    (
        _("Contact deadline"),
        _("Until when the modules of a key work without another contact: at most 72 hours after the last."),
    ),
    (_("Grant"), _("The vendor's signed word on what a key carries: modules, seats and dates.")),
    (
        _("Warranty"),
        _("The last day of building of the programs that may take a module; older programs may always."),
    ),
    (
        _("Code pack"),
        _("What the vendor hands over at each contact, so that a code can be checked without a network."),
    ),
    (
        _("Activation message"),
        _("The text that you send to the vendor by SMS, e-mail or telephone when there is no network."),
    ),
    (_("Activation code"), _("The vendor's answer: sixteen characters in four groups, for one renewal.")),
    (_("Installation"), _("This Key Manager on this machine or cluster, as the vendor knows it.")),
    (
        _("Refusal"),
        _("A checkout that was not given. The page Refusals says who asked, for what, and why it failed."),
    ),
    (_("Event"), _("What an administrator did, or what happened to a key. Events are never edited.")),
    (_("Configuration"), _("The keys and the settings of this portal.")),
]


@needs(Role.VIEWER)
def glossary(request: HttpRequest) -> HttpResponse:
    """The words, by the alphabet of the reader's language."""
    words = sorted(((str(word), meaning) for word, meaning in WORDS), key=lambda row: row[0].casefold())
    return render(request, "glossary/page.html", {"words": words})
