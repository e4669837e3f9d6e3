"""Checkout, heartbeat and return, each a view with a transaction."""

import json
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from .models import Lease, Module

INACTIVITY = timedelta(minutes=30)


class Full(Exception):
    """A module has no free seat."""


def checkout(request: HttpRequest) -> HttpResponse:
    """`POST /api/v1/leases`."""
    body = json.loads(request.body)
    try:
        with transaction.atomic():
            lease = take(body)
    except Full:
        return JsonResponse({"code": "no_free_seat"}, status=409)
    answer = {
        "id": str(lease.id),
        "modules": lease.modules,
        "taken_at": lease.taken_at,
        "expires_at": lease.expires_at,
    }
    return JsonResponse(answer, status=201)


def take(body: dict) -> Lease:
    """A lease of all modules asked for, or none."""
    now = timezone.now()
    # In one order, so that no two transactions wait for each other in a ring.
    for code in sorted(body["modules"]):
        if not take_seat(code) and not (take_over(now) and take_seat(code)):
            raise Full
    return Lease.objects.create(
        modules=body["modules"],
        user=body["user"],
        workstation=body["workstation"],
        taken_at=now,
        expires_at=now + INACTIVITY,
    )


def take_seat(code: str) -> bool:
    """Take a seat if there is one: the database decides."""
    return bool(Module.objects.filter(code=code, taken__lt=F("seats")).update(taken=F("taken") + 1))


def take_over(now) -> int:
    """End what is overdue."""
    overdue = Lease.objects.select_for_update().filter(ended_at=None, expires_at__lte=now)
    return sum(end(lease, lease.expires_at) for lease in overdue)


def end(lease: Lease, moment) -> int:
    """End a lease once, and free its seats."""
    ended = Lease.objects.filter(pk=lease.pk, ended_at=None).update(ended_at=moment)
    if ended:
        for code in sorted(lease.modules):
            Module.objects.filter(code=code).update(taken=F("taken") - 1)
    return ended


def heartbeat(request: HttpRequest, lease_id: UUID) -> HttpResponse:
    """`POST /api/v1/leases/{id}/heartbeat`."""
    now = timezone.now()
    with transaction.atomic():
        live = Lease.objects.filter(pk=lease_id, ended_at=None, expires_at__gt=now)
        renewed = live.update(expires_at=now + INACTIVITY)
    if not renewed:
        return JsonResponse({"code": "lease_ended"}, status=410)
    return JsonResponse({"id": str(lease_id), "expires_at": now + INACTIVITY})


def give_back(request: HttpRequest, lease_id: UUID) -> HttpResponse:
    """`DELETE /api/v1/leases/{id}`."""
    with transaction.atomic():
        lease = Lease.objects.filter(pk=lease_id).first()
        if lease is None:
            return JsonResponse({"code": "lease_not_found"}, status=404)
        end(lease, min(timezone.now(), lease.expires_at))
    return HttpResponse(status=204)
