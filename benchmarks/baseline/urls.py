"""The paths of the product's lease API, so that both sides are measured with the same requests."""

from django.urls import path

from . import views

urlpatterns = [
    path("api/v1/leases", views.checkout),
    path("api/v1/leases/<uuid:lease_id>/heartbeat", views.heartbeat),
    path("api/v1/leases/<uuid:lease_id>", views.give_back),
]
