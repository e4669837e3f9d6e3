"""Adding, editing, binding anew and removing a virtual key; each is followed by a contact with the vendor."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters

from licensing.models import KeyState, Role, VirtualKey
from licensing.operations.clock import portal_now
from licensing.operations.configuration import addresses, change_configuration, configuration
from licensing.operations.keys import (
    add_key,
    bound_before_release,
    edit_key,
    rebind_key,
    remove_key,
    without_spaces,
)

from .access import actor, needs
from .contacts import start_contact
from .forms import EditForm, PageForm


def _pin_field(**options: Any) -> forms.CharField:
    attrs = {
        "inputmode": "numeric",
        "autocomplete": "off",
        "maxlength": "4",
        "pattern": "[0-9]{4}",
        "class": "w-auto code",
        "size": "6",
    }
    options.setdefault("help_text", gettext_lazy("Four digits, from the papers of your purchase."))
    return forms.CharField(label=gettext_lazy("PIN"), widget=forms.PasswordInput(attrs=attrs), **options)


class AddKeyForm(PageForm):
    """What the vendor needs to know to activate a key."""

    customer = forms.CharField(
        label=gettext_lazy("Customer id"),
        max_length=20,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    number = forms.CharField(
        label=gettext_lazy("Virtual key number"),
        help_text=gettext_lazy("Ten digits that begin with 50000."),
        widget=forms.TextInput(
            attrs={"inputmode": "numeric", "autocomplete": "off", "placeholder": "50000xxxxx"}
        ),
    )
    pin = _pin_field()
    email = forms.EmailField(label=gettext_lazy("E-mail"), required=False)

    def __init__(self, *args: Any, email_known: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].required = not email_known
        self.fields["email"].help_text = (
            _("The administrator's e-mail from the Configuration; the vendor may write to it.")
            if email_known
            else _(
                "No administrator's e-mail is configured yet: this one is stored in the Configuration too."
            )
        )


class EditKeyForm(EditForm):
    """What can be corrected of a key that is not active."""

    customer = forms.CharField(
        label=gettext_lazy("Customer id"),
        max_length=20,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    pin = _pin_field(required=False, help_text=gettext_lazy("Leave it empty to keep the one entered before."))
    email = forms.EmailField(label=gettext_lazy("E-mail"), required=False)


class PinForm(PageForm):
    """The PIN alone."""

    pin = _pin_field()


class RemoveKeyForm(PageForm):
    """Typing the number shows that the right key is meant."""

    number = forms.CharField(label=gettext_lazy("Type the number of the key to confirm"))
    pin = _pin_field(required=False)

    def __init__(self, *args: Any, expected: str, asks_pin: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected
        self.fields["number"].widget.attrs |= {
            "data-confirm-with": expected,
            "autocomplete": "off",
            "class": "code",
        }
        if not asks_pin:
            del self.fields["pin"]

    def clean_number(self) -> str:
        number = without_spaces(self.cleaned_data["number"])
        if number != self.expected:
            raise forms.ValidationError(_("This is not the number of the key that is being removed."))
        return number


@needs(Role.ADMINISTRATOR)
@sensitive_post_parameters("pin")
def add(request: HttpRequest) -> HttpResponse:
    """Store a key and have it activated at once."""
    known = addresses(configuration().admin_email)
    initial = {"email": known[0]} if known else {}
    form = AddKeyForm(request.POST or None, initial=initial, email_known=bool(known))
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        now = portal_now()

        def store() -> None:
            add_key(now, actor(request), given["number"], given["customer"], given["pin"], given["email"])
            if not known:
                change_configuration(now, actor(request), admin_email=given["email"])

        if form.carry_out(store):
            return start_contact(request, now)
    return render(request, "configuration/key_add.html", {"form": form})


@needs(Role.ADMINISTRATOR)
@sensitive_post_parameters("pin")
def edit(request: HttpRequest, number: str) -> HttpResponse:
    """Correct what a key that is not active is activated with."""
    key = _key(number)
    form = EditKeyForm(request.POST or None, initial={"customer": key.customer, "email": key.email})
    if request.method == "POST" and form.is_valid():
        given, now = form.cleaned_data, portal_now()
        if form.carry_out(
            lambda: edit_key(
                now, actor(request), number, given["customer"], given["pin"] or None, given["email"]
            )
        ):
            return start_contact(request, now)
    active = key.state == KeyState.ACTIVE
    return render(request, "configuration/key_edit.html", {"form": form, "key": key, "active": active})


@needs(Role.ADMINISTRATOR)
@sensitive_post_parameters("pin")
def bind_anew(request: HttpRequest, number: str) -> HttpResponse:
    """Ask for the PIN of a key that the vendor wants bound anew."""
    key = _key(number)
    form = PinForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        now = portal_now()
        if form.carry_out(lambda: rebind_key(now, actor(request), number, form.cleaned_data["pin"])):
            return start_contact(request, now)
    return render(request, "configuration/key_bind.html", {"form": form, "key": key})


@needs(Role.ADMINISTRATOR, fresh=True)
@sensitive_post_parameters("pin")
def remove(request: HttpRequest, number: str) -> HttpResponse:
    """Remove a key after saying what that means; confirmed by typing its number."""
    key = _key(number)
    asks_pin = bound_before_release(key)
    form = RemoveKeyForm(request.POST or None, expected=number, asks_pin=asks_pin)
    if request.method == "POST" and form.is_valid():
        now, pin = portal_now(), form.cleaned_data.get("pin") or None
        outcome = form.carry_out(lambda: remove_key(now, actor(request), number, pin))
        if outcome:
            if outcome.value.needs_vendor:
                messages.warning(request, _("Only the vendor can free this key now: ask for a reset of it."))
            return start_contact(request, now)
    context = {"form": form, "key": key, "asks_pin": asks_pin, "active": key.state == KeyState.ACTIVE}
    return render(request, "configuration/key_remove.html", context)


def _key(number: str) -> VirtualKey:
    key = VirtualKey.objects.defer("pin", "grant").filter(number=number).first()
    if key is None:
        raise Http404
    return key
