"""What the demo has in the portal: an administrator, an ERP client, a mail server."""

from dataclasses import replace
from datetime import datetime

from licensing.models import ErpClient, Role, User
from licensing.operations.actors import Actor
from licensing.operations.clients import add_erp_client
from licensing.operations.configuration import change_configuration, configuration
from licensing.operations.users import create_user

from .demo_keys import demo_keys, make_missing
from .demo_settings import Demo, keep

DEMO = Actor("demo", Role.ADMINISTRATOR)
SENDER = "keymanager@demo.example"
ADMINISTRATOR = "administrator@demo.example"


def furnish(demo: Demo, now: datetime) -> Demo:
    """Make in the portal and at the authority what the demo needs and does not have yet."""
    make_missing(demo.authority_url, demo_keys(now.date()))
    _send_mail_to_sink(demo, now)
    if not User.objects.filter(username=demo.username).exists():
        name = _unused("admin", set(User.objects.values_list("username", flat=True)))
        create_user(now, DEMO, name, demo.password, Role.ADMINISTRATOR, ADMINISTRATOR)
        demo = replace(demo, username=name)
        keep(demo)
    if not demo.token:
        name = _unused("Demo ERP", set(ErpClient.objects.values_list("name", flat=True)))
        demo = replace(demo, token=add_erp_client(now, DEMO, name)[1])
    keep(demo)
    return demo


def _send_mail_to_sink(demo: Demo, now: datetime) -> None:
    """Set the portal's mail server, unless an administrator has chosen another."""
    row = configuration()
    if row.smtp_host and row.mail_sender != SENDER:
        return
    change_configuration(
        now,
        DEMO,
        smtp_host="127.0.0.1",
        smtp_port=demo.sink_port,
        smtp_security="none",
        mail_sender=SENDER,
        admin_email=row.admin_email or ADMINISTRATOR,
    )


def _unused(name: str, taken: set[str]) -> str:
    names = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 3))]
    return next(candidate for candidate in names if candidate not in taken)
