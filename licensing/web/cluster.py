"""Turning the clustered installation on or off, or renaming it, while keys are active."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from licensing.models import Role
from licensing.operations.clock import portal_now
from licensing.operations.cluster import keys_to_bind, switch_cluster

from .access import actor, needs
from .contacts import start_contact
from .forms import PageForm


class PinsForm(PageForm):
    """The PIN of each key that must be bound anew."""

    clustered = forms.BooleanField(required=False, widget=forms.HiddenInput())
    cluster_name = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput())

    def __init__(self, *args: Any, numbers: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for number in numbers:
            self.fields[number] = forms.CharField(
                label=_("PIN of key %(number)s") % {"number": number},
                max_length=4,
                widget=forms.PasswordInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
            )

    def pins(self) -> dict[str, str]:
        """The PINs by key number."""
        return {name: value for name, value in self.cleaned_data.items() if name.isdigit()}


@needs(Role.ADMINISTRATOR, fresh=True)
@sensitive_post_parameters()
def switch(request: HttpRequest) -> HttpResponse:
    """Say that the keys must be bound anew, ask for their PINs, and do it in a contact at once."""
    given = request.POST if request.method == "POST" else request.GET
    if "cluster_name" not in given:
        # He has confirmed that it is he, and says anew what he wants.
        return redirect("advanced")
    clustered, name = given.get("clustered") == "True", given.get("cluster_name", "").strip()
    numbers = keys_to_bind(clustered, name)
    if not numbers:
        return redirect("advanced")
    initial = {"clustered": clustered, "cluster_name": name}
    form = PinsForm(request.POST or None, initial=initial, numbers=numbers)
    if form.is_valid():
        now, pins = portal_now(), form.pins()
        if form.carry_out(lambda: switch_cluster(now, actor(request), clustered, name, pins)):
            messages.success(
                request, _("The clustered installation is changed; the keys are bound anew now.")
            )
            return start_contact(request, now)
    context = {"form": form, "clustered": clustered, "cluster_name": name, "numbers": numbers}
    return render(request, "contacts/cluster.html", context)
