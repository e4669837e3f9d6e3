"""Where people open the portal, as mails name it."""

from django.conf import settings
from django.urls import reverse

from licensing.models import Configuration

HERE = frozenset(("127.0.0.1", "localhost", "[::1]", "::1", "*"))
USUAL_PORTS = {"https": 443, "http": 80}


def portal_url() -> str:
    """The configured address; where there is none, the first allowed host that others can reach."""
    chosen = Configuration.objects.values_list("portal_url", flat=True).filter(pk=1).first()
    if chosen:
        return chosen.rstrip("/")
    scheme = "https" if settings.KEYMANAGER.tls else "http"
    hosts = [host.lstrip(".") for host in settings.KEYMANAGER.allowed_hosts]
    host = next((host for host in hosts if host not in HERE), "127.0.0.1")
    port = settings.KEYMANAGER.port
    return f"{scheme}://{host}" + ("" if port in (None, USUAL_PORTS[scheme]) else f":{port}")


def page_url(name: str) -> str:
    """The address of a page by its name."""
    return portal_url() + reverse(name)
