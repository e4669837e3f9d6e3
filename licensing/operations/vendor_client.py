"""The vendor client, as deployment and Configuration set it at this moment."""

from django.conf import settings

from licensing.models import Configuration
from licensing.models.sealed import SealBroken
from licensing.vendor.client import Proxy, VendorClient

from .errors import Refused


def vendor_client() -> VendorClient:
    """A client for one contact.

    Raises:
        Refused: `proxy_password_unreadable`.
    """
    deployment = settings.KEYMANAGER
    company_ca = Configuration.objects.values_list("company_ca", flat=True).filter(pk=1).first()
    return VendorClient(
        deployment.authority_url, proxy=_proxy(), ca_file=deployment.ca_file, ca_pem=company_ca or None
    )


def _proxy() -> Proxy | None:
    row = Configuration.objects.filter(pk=1).values_list("proxy_host", "proxy_port", "proxy_login").first()
    if row is None or not row[0] or row[1] is None:
        return None
    try:
        password = Configuration.objects.values_list("proxy_password", flat=True).get(pk=1)
    except SealBroken:
        raise Refused("proxy_password_unreadable") from None
    return Proxy(row[0], row[1], row[2] or None, password)
