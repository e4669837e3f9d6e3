"""The addresses of the pages."""

from allauth.account import views as account
from django.contrib.auth.decorators import login_not_required
from django.urls import include, path
from django.views.i18n import set_language

from . import (
    accounts,
    attempts,
    clients,
    cluster,
    configuration,
    contacts,
    diagnosis,
    events,
    first_steps,
    glossary,
    history,
    keys,
    leases,
    light,
    log_packs,
    mails,
    modules,
    needs,
    refusals,
    users,
    worker,
)
from .advanced import advanced, defaults, test_mail
from .offline import activate, export, import_file, offline

key = "configuration/keys/<str:number>"
client = "clients/<int:client_id>"
user = "users/<int:user_id>"

urlpatterns = [
    path("", modules.modules, name="modules"),
    path("modules/<str:key>/<str:code>", modules.holders, name="holders"),
    path("leases", leases.leases, name="leases"),
    path("leases/release", leases.release_leases, name="release"),
    path("configuration", configuration.configuration_page, name="configuration"),
    path("configuration/keys/add", keys.add, name="key_add"),
    path(f"{key}/edit", keys.edit, name="key_edit"),
    path(f"{key}/bind", keys.bind_anew, name="key_bind"),
    path(f"{key}/remove", keys.remove, name="key_remove"),
    path("configuration/contact/start", contacts.start, name="contact_start"),
    path("configuration/contact", contacts.progress, name="contact"),
    path("configuration/contacts", attempts.attempts, name="attempts"),
    path("configuration/diagnosis", diagnosis.diagnosis, name="diagnosis"),
    path("configuration/diagnosis/<uuid:attempt_id>", diagnosis.progress, name="diagnosis_progress"),
    path("configuration/mails", mails.mails, name="mails"),
    path("configuration/mails/<int:mail_id>/again", mails.again, name="mail_again"),
    path("configuration/logs", log_packs.log_packs, name="log_packs"),
    path("configuration/logs/pack", log_packs.progress, name="log_pack_progress"),
    path("configuration/logs/<str:name>", log_packs.download, name="log_pack"),
    path("configuration/worker", worker.worker, name="worker"),
    path("configuration/cluster", cluster.switch, name="cluster_switch"),
    path("configuration/offline", offline, name="offline"),
    path("configuration/offline/code", activate, name="offline_code"),
    path("configuration/offline/export", export, name="offline_export"),
    path("configuration/offline/import", import_file, name="offline_import"),
    path("configuration/advanced", advanced, name="advanced"),
    path("configuration/advanced/test-mail", test_mail, name="test_mail"),
    path("configuration/advanced/defaults", defaults, name="defaults"),
    path("refusals", refusals.refusals, name="refusals"),
    path("refusals/hours", history.refusal_hours, name="refusal_hours"),
    path("history", history.overview, name="history"),
    path("history/<str:code>", history.module_history, name="history_module"),
    path("history/<str:code>/needs", needs.how_many, name="needs"),
    path("events", events.events, name="events"),
    path("clients", clients.clients, name="clients"),
    path("clients/add", clients.add, name="client_add"),
    path(f"{client}/edit", clients.edit, name="client_edit"),
    path(f"{client}/switch", clients.switch, name="client_switch"),
    path(f"{client}/token", clients.new_token, name="client_token"),
    path("users", users.users, name="users"),
    path("users/invite", users.invite, name="user_invite"),
    path(f"{user}/edit", users.edit, name="user_edit"),
    path(f"{user}/link", users.new_link, name="user_link"),
    path(f"{user}/factors", users.remove_factors, name="user_factors"),
    path("first-steps", first_steps.steps, name="first_steps"),
    path("light", light.light, name="light"),
    path("glossary", glossary.glossary, name="glossary"),
    path("first-run", accounts.first_run, name="first_run"),
    path("invitations/<str:uid>/<str:token>", accounts.invitation, name="invitation"),
    path("language", login_not_required(set_language), name="set_language"),
    # Of allauth only what a portal without sign-up and without mail addresses to confirm needs.
    path("accounts/login/", accounts.PortalLoginView.as_view(), name="account_login"),
    path("accounts/logout/", account.logout, name="account_logout"),
    path("accounts/inactive/", account.account_inactive, name="account_inactive"),
    path("accounts/reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("accounts/password/change/", accounts.PortalPasswordView.as_view(), name="account_change_password"),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("accounts/sessions/", include("allauth.usersessions.urls")),
]
