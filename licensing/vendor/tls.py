"""Trust: the system's certificates and the company's, and what a refused certificate means."""

import ssl
from collections.abc import Mapping
from pathlib import Path

import truststore
from cryptography import x509

from licensing.vendor import errors
from licensing.vendor.faults import Param, VendorError

# OpenSSL's X509_V_ERR_…, and what Windows's own verifier (by truststore) says for the same.
_VERDICTS: Mapping[int, type[VendorError]] = {
    9: errors.TlsNotYetValid,
    10: errors.TlsExpired,
    0x800B0101: errors.TlsExpired,
    62: errors.TlsWrongHost,
    64: errors.TlsWrongHost,
    0x800B010F: errors.TlsWrongHost,
}


def trusting_context(ca_file: Path | None, ca_pem: str | None) -> ssl.SSLContext:
    """TLS 1.2 or newer, trusting what the system trusts and the company's CA besides.

    Raises OSError or ssl.SSLError where the company's certificates cannot be read.
    """
    context: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        context.load_verify_locations(cafile=str(ca_file))
    if ca_pem:
        context.load_verify_locations(cadata=ca_pem)
    return context


def blind_context() -> ssl.SSLContext:
    """Trusts anybody: only to look at a certificate that was refused. Nothing is ever sent through it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def refusal_kind(error: ssl.SSLCertVerificationError) -> type[VendorError]:
    """Which fault of a certificate the verifier told."""
    return _VERDICTS.get(getattr(error, "verify_code", 0), errors.TlsUntrusted)


def describe(certificate: bytes | None) -> dict[str, Param]:
    """What a sentence names of a DER certificate: issuer, names and days; dashes where there is none."""
    try:
        shown = x509.load_der_x509_certificate(certificate or b"")
    except ValueError:
        return {"issuer": None, "names": None, "not_before": None, "not_after": None}
    return {
        "issuer": shown.issuer.rfc4514_string()[:200],
        "names": ", ".join(_names(shown))[:200],
        "not_before": f"{shown.not_valid_before_utc:%Y-%m-%d %H:%M} UTC",
        "not_after": f"{shown.not_valid_after_utc:%Y-%m-%d %H:%M} UTC",
    }


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return [certificate.subject.rfc4514_string()]
    return [str(name.value) for name in extension.value]
