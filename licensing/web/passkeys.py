"""Passkeys in place of a password: not for accounts of the company's directory, which must be asked."""

import struct
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import AddWebAuthnForm, LoginWebAuthnForm
from django import forms
from django.utils.translation import gettext as _

# What the libraries end in where a stranger sends something else than a browser's passkey.
NO_PASSKEY = (AttributeError, LookupError, RecursionError, TypeError, ValueError, struct.error)


class PasskeyLoginForm(LoginWebAuthnForm):
    """Log-in by a passkey alone."""

    def full_clean(self) -> None:
        """Refuse what cannot be read as a passkey like one that is wrong."""
        try:
            super().full_clean()
        except NO_PASSKEY:
            self.add_error("credential", get_adapter().validation_error("incorrect_code"))

    def clean_credential(self) -> Authenticator:
        """Whose passkey it is; the directory's people give their password, so that it tells their role."""
        passkey: Authenticator = super().clean_credential()
        if passkey.user.from_directory:
            raise forms.ValidationError(
                _("Accounts of the company directory log in with its password; the passkey comes after it."),
                code="directory_user",
            )
        if not passkey.wrap().is_passwordless:
            raise forms.ValidationError(
                _("This passkey is a second factor: log in with your password, it comes after it."),
                code="second_factor",
            )
        return passkey


class AddPasskeyForm(AddWebAuthnForm):
    """A new passkey; the directory's people are not asked whether it stands in for their password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.user.from_directory:
            del self.fields["passwordless"]

    def clean(self) -> dict[str, Any]:
        """Keep with the passkey what was chosen; the browser tells what the device can, whatever was."""
        cleaned: dict[str, Any] = super().clean()
        if cleaned.get("credential"):
            chosen = {"credProps": {"rk": cleaned.get("passwordless", False)}}
            cleaned["credential"] |= {"clientExtensionResults": chosen}
        return cleaned
