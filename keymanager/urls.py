"""Which address leads to which room. The API stands before these (licensing/api/middleware.py)."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("licensing.web.urls")),
]

handler400 = "licensing.web.failures.bad_request"
handler403 = "licensing.web.failures.permission_denied"
handler404 = "licensing.web.failures.page_not_found"
handler429 = "licensing.web.failures.too_many_requests"
handler500 = "licensing.web.failures.server_error"
