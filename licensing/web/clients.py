"""The page "ERP clients": the applications that may call the lease API, and their tokens."""

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from licensing.models import ErpClient, Role
from licensing.operations.clients import (
    add_erp_client,
    change_erp_client,
    disable_erp_client,
    enable_erp_client,
    replace_token,
)
from licensing.operations.clock import portal_now
from licensing.operations.configuration import configuration
from licensing.operations.modules import list_modules

from .access import actor, needs, sent_from
from .forms import EditForm
from .moments import moment_of

# Built before any warranty has passed, so that the test is not refused for it.
OLD_PROGRAM = "2020-01-01"


class ClientForm(EditForm):
    """What an administrator decides about an ERP client."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=64,
        help_text=gettext_lazy("The application that calls, e.g. “ERP Optima, production”."),
    )
    networks = forms.CharField(
        label=gettext_lazy("Allowed networks"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "class": "code", "spellcheck": "false"}),
        help_text=gettext_lazy("One a line, e.g. 192.168.1.0/24. Empty: from anywhere."),
    )

    def clean_networks(self) -> list[str]:
        text: str = self.cleaned_data["networks"]
        return text.replace(",", "\n").split()


@needs(Role.ADMINISTRATOR)
def clients(request: HttpRequest) -> HttpResponse:
    """Every ERP client, with how many leases it holds now."""
    live = Q(leases__ended_at__isnull=True, leases__expires_at__gt=moment_of(request).now)
    return render(
        request,
        "clients/page.html",
        {"clients": ErpClient.objects.annotate(live=Count("leases", filter=live))},
    )


@never_cache
@needs(Role.ADMINISTRATOR, fresh=True)
def add(request: HttpRequest) -> HttpResponse:
    """Register an application; its token is shown this once."""
    form = ClientForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        outcome = form.carry_out(
            lambda: add_erp_client(portal_now(), actor(request), given["name"], given["networks"])
        )
        if outcome:
            client, token = outcome.value
            return _show_token(request, client, token)
    return render(request, "clients/edit.html", {"form": form})


@needs(Role.ADMINISTRATOR)
def edit(request: HttpRequest, client_id: int) -> HttpResponse:
    """Change the name, or the networks that it may call from."""
    client = _client(client_id)
    initial = {"name": client.name, "networks": "\n".join(client.networks)}
    form = ClientForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        if form.carry_out(
            lambda: change_erp_client(
                portal_now(), actor(request), client_id, given["name"], given["networks"]
            )
        ):
            messages.success(request, _("Saved."))
            return redirect("clients")
    return render(request, "clients/edit.html", {"form": form, "client": client})


@needs(Role.ADMINISTRATOR)
@sent_from("clients")
def switch(request: HttpRequest, client_id: int) -> HttpResponse:
    """Disable an ERP client, or let it in again."""
    client = _client(client_id)
    if "disable" in request.POST:
        disable_erp_client(portal_now(), actor(request), client_id)
        messages.success(request, _("“%(name)s” is let in no more.") % {"name": client.name})
    else:
        enable_erp_client(portal_now(), actor(request), client_id)
        messages.success(request, _("“%(name)s” is let in again.") % {"name": client.name})
    return redirect("clients")


@never_cache
@needs(Role.ADMINISTRATOR, fresh=True)
def new_token(request: HttpRequest, client_id: int) -> HttpResponse:
    """Give an ERP client a new token, after saying that the old one stops at once."""
    client = _client(client_id)
    if request.method == "POST":
        return _show_token(request, client, replace_token(portal_now(), actor(request), client_id))
    return render(request, "clients/new_token.html", {"client": client})


def _show_token(request: HttpRequest, client: ErpClient, token: str) -> HttpResponse:
    body = {
        "modules": [_some_module(request)],
        "workstation": "PC-1",
        "user": "test",
        "program": {"name": "curl", "version": "1", "built_on": OLD_PROGRAM},
    }
    context: dict[str, Any] = {
        "client": client,
        "token": token,
        "address": request.build_absolute_uri("/api/v1/modules"),
        "leases_address": request.build_absolute_uri("/api/v1/leases"),
        "body": json.dumps(body),
        "inactivity_seconds": configuration().inactivity_seconds,
    }
    return render(request, "clients/token.html", context)


def _some_module(request: HttpRequest) -> str:
    """The code of a module that could be taken now, else one that reads as such."""
    seen = moment_of(request)
    rows = list_modules(seen.now, held=seen.held)
    return next((row.code for row in rows if row.available), "MODULE")


def _client(client_id: int) -> ErpClient:
    client = ErpClient.objects.filter(pk=client_id).first()
    if client is None:
        raise Http404
    return client
