"""The company's certificates, as an administrator pastes them."""

import ssl

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


def check_certificates(pem: str) -> None:
    """Check that a text holds certificates in PEM form, and no private key.

    Raises:
        ValidationError.
    """
    if not pem:
        return
    if "PRIVATE KEY" in pem:
        raise ValidationError(_("This text holds a private key. Give the CA's certificate alone."))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        sentence = _("Paste the CA's certificate in PEM form: it begins with “-----BEGIN CERTIFICATE-----”.")
        raise ValidationError(sentence) from None
