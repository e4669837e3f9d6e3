"""The window "Update of modules without an internet connection": codes, and files by hand."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import qrcode
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from qrcode.image.svg import SvgPathImage

from licensing.models import Configuration, KeyState, Role
from licensing.operations.activation import (
    ChallengeMessage,
    OfflineRenewal,
    activate_offline,
    export_request,
    import_answer,
    offline_challenge,
)
from licensing.operations.clock import portal_now
from licensing.operations.configuration import configuration
from licensing.operations.errors import Refused
from licensing.operations.status import KeyStatus, status
from licensing.templatetags.times import exact

from .access import actor, needs, sent_from
from .forms import PageForm
from .spelling import SpelledGroup, spelled
from .words import CHANNELS

BOXES = ("first", "second", "third", "fourth")
MOST_ANSWER_BYTES = 4 * 1024 * 1024
# The last sixteen symbols that stand together, as in "Twój kod: 2F57-3P3V-…".
CODE = re.compile(r"(?:.*[^0-9A-Za-z])?((?:[0-9A-Za-z]{4}[\s-]*){3}[0-9A-Za-z]{4})(?![0-9A-Za-z])", re.DOTALL)


class CodeForm(PageForm):
    """Four boxes of four; a whole message in one of them is read too."""

    first = forms.CharField(label=gettext_lazy("First four symbols"), required=False, strip=True)
    second = forms.CharField(label=gettext_lazy("Second four symbols"), required=False, strip=True)
    third = forms.CharField(label=gettext_lazy("Third four symbols"), required=False, strip=True)
    fourth = forms.CharField(label=gettext_lazy("Last four symbols"), required=False, strip=True)
    channel = forms.ChoiceField(
        label=gettext_lazy("The code came by"),
        choices=[(code, CHANNELS[code]) for code in ("sms", "mail", "telephone")],
        initial="sms",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in BOXES:
            self.fields[name].widget.attrs |= {
                "data-code-box": True,
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
                "aria-label": self.fields[name].label,
                "aria-describedby": "code-help code-mistyped code-refused",
            }

    def boxes(self) -> list[forms.BoundField]:
        """The four fields of the code."""
        return [self[name] for name in BOXES]

    def code(self) -> str:
        """What was entered, with whatever words stood around it left out."""
        entered = "-".join(self.cleaned_data[name] for name in BOXES if self.cleaned_data[name])
        found = CODE.match(entered)
        return found.group(1) if found else entered


class AnswerForm(PageForm):
    """The vendor's answer, as a file or as text."""

    file = forms.FileField(
        label=gettext_lazy("Answer file"),
        required=False,
        help_text=gettext_lazy("contact-answer-….kmans; it can be dropped here too."),
        widget=forms.FileInput(attrs={"accept": ".kmans,.txt,text/plain"}),
    )
    text = forms.CharField(
        label=gettext_lazy("Or paste the answer"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "class": "code", "spellcheck": "false"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        upload = cleaned.get("file")
        if upload and upload.size > MOST_ANSWER_BYTES:
            self.add_error("file", _("This file is too large to be an answer of the vendor."))
        elif upload:
            cleaned["answer"] = upload.read().decode("utf-8", "replace")
        elif cleaned.get("text"):
            cleaned["answer"] = cleaned["text"]
        else:
            self.add_error(None, _("Choose the answer file, or paste its text."))
        return cleaned


@dataclass(frozen=True)
class Channels:
    """The ways to ask for a code, ready to be shown."""

    sms: str
    qr: SafeString | None
    email: str
    mailto: str
    phone: str
    spelling: list[SpelledGroup]


@needs(Role.OPERATOR)
def offline(request: HttpRequest) -> HttpResponse:
    """The message to send, the boxes for the answer, and the way by files."""
    return _page(request)


@needs(Role.OPERATOR)
@sent_from("offline")
def activate(request: HttpRequest) -> HttpResponse:
    """Try a code; a refusal says what to do next."""
    form = CodeForm(request.POST)
    if form.is_valid():
        channel = form.cleaned_data["channel"]
        outcome = form.carry_out(lambda: activate_offline(portal_now(), actor(request), form.code(), channel))
        if outcome:
            _tell_renewal(request, outcome.value)
            return redirect("offline")
    return _page(request, code_form=form)


@needs(Role.OPERATOR)
@sent_from("offline")
def export(request: HttpRequest) -> HttpResponse:
    """The contact request as a file to carry to the vendor."""
    try:
        made = export_request(portal_now(), actor(request))
    except Refused as refused:
        if refused.code == "not_permitted":
            raise
        messages.error(request, str(refused.detail or refused.code))
        return redirect("offline")
    if made.replaces_earlier:
        messages.warning(
            request,
            _(
                "Something has changed since the last request file: an answer to it is worth nothing any "
                "more."
            ),
        )
    response = HttpResponse(made.text, content_type="application/jose; charset=us-ascii")
    response["Content-Disposition"] = f'attachment; filename="{made.filename}"'
    return response


@needs(Role.OPERATOR)
@sent_from("offline")
def import_file(request: HttpRequest) -> HttpResponse:
    """Carry out the vendor's answer from a file or a paste."""
    form = AnswerForm(request.POST, request.FILES)
    if form.is_valid():
        outcome = form.carry_out(
            lambda: import_answer(portal_now(), actor(request), form.cleaned_data["answer"])
        )
        if outcome:
            good = sum(line.is_good for line in outcome.value.lines)
            words = ngettext(
                "The answer was accepted; %(n)d key is up to date.",
                "The answer was accepted; %(n)d keys are up to date.",
                good,
            )
            messages.success(request, words % {"n": good})
            return redirect("configuration")
    return _page(request, answer_form=form)


def _page(
    request: HttpRequest, code_form: CodeForm | None = None, answer_form: AnswerForm | None = None
) -> HttpResponse:
    now, language = portal_now(), (get_language() or "pl")[:2]
    context: dict[str, Any] = {
        "code_form": code_form or CodeForm(),
        "answer_form": answer_form or AnswerForm(),
    }
    try:
        challenge = offline_challenge(now, language.upper())
    except Refused as refused:
        context["no_challenge"] = str(refused.detail or refused.code)
    else:
        context["challenge"] = challenge
        context["channels"] = _channels(challenge, configuration(), language)
        context["keys"] = _renewed(challenge, status(now).keys)
        context["may_enter"] = bool(context["keys"] and challenge.attempts_left and not challenge.used)
    return render(request, "offline/page.html", context)


def _channels(challenge: ChallengeMessage, profile: Configuration, language: str) -> Channels:
    subject = quote(_("Activation of ERP modules"))
    return Channels(
        sms=profile.activation_sms,
        qr=qr_svg(f"SMSTO:{profile.activation_sms}:{challenge.message}") if profile.activation_sms else None,
        email=profile.activation_email,
        mailto=f"mailto:{profile.activation_email}?subject={subject}&body={quote(challenge.message)}",
        phone=profile.activation_phone,
        spelling=spelled(challenge.challenge, language),
    )


def _renewed(challenge: ChallengeMessage, keys: tuple[KeyStatus, ...]) -> list[KeyStatus]:
    """The keys that a code would renew: those of the pack that are still active here."""
    return [key for key in keys if key.number in challenge.keys and key.state == KeyState.ACTIVE]


def qr_svg(text: str) -> SafeString:
    """A QR code as SVG, without style or script, so that the page's policy lets it be."""
    code = qrcode.QRCode(border=2, image_factory=SvgPathImage)
    code.add_data(text)
    code.make(fit=True)
    picture: str = code.make_image().to_string(encoding="unicode")
    # Squares only: nothing of the text stands in it.
    return mark_safe(picture)  # noqa: S308


def _tell_renewal(request: HttpRequest, renewal: OfflineRenewal) -> None:
    messages.success(request, _("The modules work until %(until)s.") % {"until": exact(renewal.valid_until)})
    words = ngettext(
        "The pack has codes for %(n)d more day.",
        "The pack has codes for %(n)d more days.",
        renewal.codes_left,
    )
    messages.info(request, words % {"n": renewal.codes_left})
