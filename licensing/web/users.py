"""The page "Users": who may log in, and as what."""

from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from licensing.models import Role, User
from licensing.operations.clock import portal_now
from licensing.operations.second_factors import remove_second_factors
from licensing.operations.users import change_user, invitation, invite_again, invite_user

from .access import actor, needs
from .forms import EditForm, PageForm

ROLES_HELP = gettext_lazy(
    "A viewer sees everything but ERP clients and users, and changes nothing. An operator may also release "
    "leases, update modules and activate without a network. An administrator may do everything."
)


class UserForm(EditForm):
    """What an administrator decides about a user."""

    role = forms.ChoiceField(
        label=gettext_lazy("Role"), choices=Role.choices, initial=Role.VIEWER.value, help_text=ROLES_HELP
    )
    email = forms.EmailField(label=gettext_lazy("E-mail"), required=False)


class InviteForm(UserForm):
    """A new user; the password is his own affair."""

    username = forms.CharField(label=gettext_lazy("User name"), max_length=150)
    field_order = ("username", "role", "email")


class ChangeForm(UserForm):
    """A user who is there."""

    is_active = forms.BooleanField(
        label=gettext_lazy("May log in"),
        required=False,
        help_text=gettext_lazy("Switching this off also logs the user out everywhere, at once."),
    )

    def leave_to_directory(self) -> None:
        """What the company's directory says is shown, not changed."""
        for name in ("role", "email"):
            self.fields[name].disabled = True
            self.fields[name].help_text = _("The company directory says this, at each log-in.")


@needs(Role.ADMINISTRATOR)
def users(request: HttpRequest) -> HttpResponse:
    """Everybody who has an account."""
    factors = Authenticator.objects.filter(user=OuterRef("pk"))
    everybody = User.objects.annotate(has_factors=Exists(factors)).order_by("username")
    return render(request, "users/page.html", {"users": everybody})


@never_cache
@needs(Role.ADMINISTRATOR, fresh=True)
def invite(request: HttpRequest) -> HttpResponse:
    """Make a user, and show the link by which he chooses a password."""
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        outcome = form.carry_out(
            lambda: invite_user(
                portal_now(), actor(request), given["username"], Role(given["role"]), given["email"]
            )
        )
        if outcome:
            return _show_link(request, outcome.value)
    return render(request, "users/edit.html", {"form": form})


@needs(Role.ADMINISTRATOR, fresh=True)
def edit(request: HttpRequest, user_id: int) -> HttpResponse:
    """Change a user's role or e-mail, or whether he may log in."""
    user = _user(user_id)
    initial = {"role": user.role, "email": user.email, "is_active": user.is_active}
    form = ChangeForm(request.POST or None, initial=initial)
    if user.from_directory:
        form.leave_to_directory()
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        if form.carry_out(
            lambda: change_user(
                portal_now(),
                actor(request),
                user_id,
                role=Role(given["role"]),
                email=given["email"],
                is_active=given["is_active"],
            )
        ):
            messages.success(request, _("Saved."))
            return redirect("users")
    return render(request, "users/edit.html", {"form": form, "person": user})


@never_cache
@needs(Role.ADMINISTRATOR, fresh=True)
def new_link(request: HttpRequest, user_id: int) -> HttpResponse:
    """A new link for a user who forgot his password or let the first link grow old."""
    user = _user(user_id)
    if user.from_directory:
        raise Http404
    form = PageForm()
    if request.method == "POST":
        form = PageForm(request.POST)
        outcome = form.carry_out(lambda: invite_again(portal_now(), actor(request), user_id))
        if outcome:
            return _show_link(request, outcome.value)
    return render(request, "users/new_link.html", {"person": user, "form": form})


@needs(Role.ADMINISTRATOR, fresh=True)
def remove_factors(request: HttpRequest, user_id: int) -> HttpResponse:
    """Let a user who lost telephone and recovery codes in by the password again."""
    user = _user(user_id)
    if request.method == "POST":
        remove_second_factors(portal_now(), actor(request), user_id)
        messages.success(request, _("The second factors of %(name)s are removed.") % {"name": user.username})
        return redirect("users")
    return render(request, "users/factors.html", {"person": user})


def _show_link(request: HttpRequest, user: User) -> HttpResponse:
    link = request.build_absolute_uri(reverse("invitation", args=invitation(user)))
    return render(request, "users/link.html", {"person": user, "link": link})


def _user(user_id: int) -> User:
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise Http404
    return user
