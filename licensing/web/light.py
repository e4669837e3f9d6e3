"""The status light by itself: every page that stays open asks for it again each minute."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from licensing.models import Role

from .access import needs


@needs(Role.VIEWER)
def light(request: HttpRequest) -> HttpResponse:
    """The strip of the layout, as it is now."""
    return render(request, "parts/light.html")
