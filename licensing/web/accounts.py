"""Logging in: who gets an account, the first run, invitations."""

import unicodedata
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.views import LoginView, PasswordChangeView
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from licensing.models import Role, User
from licensing.models.sealed import seal, unseal
from licensing.operations.clock import portal_now
from licensing.operations.errors import Refused
from licensing.operations.second_factors import PURPOSE
from licensing.operations.users import (
    accept_invitation,
    create_first_administrator,
    invited_user,
    needs_first_administrator,
)

from .directory import refuse_with_reason
from .first_steps import needs_first_steps
from .forms import PageForm

# In the session of a log-in that waits for the second factor.
BEGAN_WITH = "log_in_began_with"


class ClosedAccountAdapter(DefaultAccountAdapter):
    """Nobody signs up by himself."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """The first tab; for an administrator of a portal that has nothing yet, the first steps."""
        user = request.user
        if isinstance(user, User) and Role(user.role).may(Role.ADMINISTRATOR) and needs_first_steps():
            return reverse("first_steps")
        return reverse("modules")

    def pre_login(self, request: HttpRequest, user: Any, **about: Any) -> HttpResponse | None:
        """Note with which password a log-in began: it must be the same when the second factor is given."""
        request.session[BEGAN_WITH] = user.get_session_auth_hash()
        response: HttpResponse | None = super().pre_login(request, user, **about)
        return response

    def login(self, request: HttpRequest, user: Any) -> None:
        """Log in; whoever got a new password meanwhile begins anew."""
        if request.session.pop(BEGAN_WITH, None) != user.get_session_auth_hash():
            request.session.flush()
            raise ImmediateHttpResponse(redirect("account_login"))
        super().login(request, user)

    def is_safe_url(self, url: str) -> bool:
        """Whether a log-in may lead there: within this portal, as it was called now."""
        request = context.request
        return bool(url_has_allowed_host_and_scheme(url, {request.get_host()}, request.is_secure()))

    def get_reauthentication_methods(self, user: AbstractBaseUser | AnonymousUser) -> list[dict[str, Any]]:
        """How somebody may confirm that it is he: of the company's directory only by asking it."""
        ways: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if getattr(user, "from_directory", False):
            return [way for way in ways if way["id"] == "reauthenticate"]
        return ways

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Whose failures are counted together.

        By whatever host and port the portal is called, and however the name is spelled: directories find
        jan by Ｊａｎ and Ján too, and each spelling would have attempts of its own. Whoever is logged in and
        confirms that it is he is no stranger, so that none can keep him from it.
        """
        if request.user.is_authenticated:
            return f"{request.user.pk} confirms"
        name = unicodedata.normalize("NFKD", credentials.get("username", "")).casefold()
        return "".join(sign for sign in name if sign.isalnum() or sign in "@.+-_")

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Say so where it was not the password."""
        refuse_with_reason(request)


class SealedMFAAdapter(DefaultMFAAdapter):
    """Second factors are stored sealed by the key file, like every other secret."""

    def encrypt(self, text: str) -> str:
        return seal(PURPOSE, text)

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(PURPOSE, encrypted_text)

    def generate_authenticator_name(
        self,
        user: AbstractBaseUser,
        type: Authenticator.Type,  # noqa: A002 - allauth names it
    ) -> str:
        """What stands in the field for a new passkey's name."""
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return _("Passkey %(n)d") % {"n": count + 1}


class PortalLoginView(LoginView):
    """The log-in page; before there is an administrator it leads to the first-run page."""

    @method_decorator(login_not_required)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if needs_first_administrator():
            return redirect("first_run")
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response


class PortalPasswordView(PasswordChangeView):
    """A user's new password; the directory's people change it there, who has none gets a link for it."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if getattr(request.user, "from_directory", False):
            messages.info(request, _("Your password is the company directory's: change it there."))
            return redirect("modules")
        if request.user.is_authenticated and not request.user.has_usable_password():
            messages.info(
                request,
                _(
                    "You have no password now. An administrator of the portal gives you a link to set a new "
                    "one."
                ),
            )
            return redirect("modules")
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response


class NewPasswordForm(PageForm):
    """A password, typed twice."""

    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        help_text=gettext_lazy("At least 10 characters, not a common one, not like the user name."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    password_again = forms.CharField(
        label=gettext_lazy("Password, once more"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        both = [cleaned.get(name) for name in ("password", "password_again")]
        if None not in both and both[0] != both[1]:
            self.add_error("password_again", _("The two passwords differ."))
        return cleaned


class FirstRunForm(NewPasswordForm):
    """The first administrator, made by whoever sees the console of the portal's start."""

    token = forms.CharField(
        label=gettext_lazy("One-time token"),
        help_text=gettext_lazy("It is printed where the portal was started, and is made anew at each start."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    username = forms.CharField(
        label=gettext_lazy("User name"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "username"}),
    )
    email = forms.EmailField(label=gettext_lazy("E-mail"), required=False)
    field_order = ("token", "username", "email", "password", "password_again")


@login_not_required
@never_cache
@sensitive_post_parameters()
def first_run(request: HttpRequest) -> HttpResponse:
    """Make the first administrator; over as soon as there is one."""
    if not needs_first_administrator():
        return redirect("account_login")
    form = FirstRunForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        if form.carry_out(
            lambda: create_first_administrator(
                portal_now(), given["token"], given["username"], given["password"], given["email"]
            )
        ):
            messages.success(request, _("The administrator is made. Log in to go on."))
            return redirect("account_login")
    return render(request, "account/first_run.html", {"form": form})


@login_not_required
@never_cache
@sensitive_post_parameters()
def invitation(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Where an invited user chooses a password."""
    try:
        user = invited_user(uid, token)
    except Refused as refused:
        return render(request, "account/invitation_over.html", {"sentence": refused.detail}, status=410)
    form = NewPasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        password = form.cleaned_data["password"]
        if form.carry_out(lambda: accept_invitation(portal_now(), uid, token, password)):
            messages.success(request, _("Your password is set. Log in to go on."))
            return redirect("account_login")
    return render(request, "account/invitation.html", {"form": form, "invited": user})
