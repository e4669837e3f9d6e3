"""Which computer, or which cluster, this installation says it runs on (vendor-protocol.md, "Who is who")."""

import socket
import sys
import unicodedata
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from licensing.models import Configuration
from licensing.protocol.keys import cluster_machine, machine_id_digest

from .errors import Refused

NAME_LENGTH = 64


def machine() -> str:
    """The machine as requests report it: `cluster:` and a name, or the digest of the host's machine id.

    Raises:
        Refused: `machine_id_missing`; its sentence names the setting.
    """
    row = Configuration.objects.filter(pk=1).values_list("clustered", "cluster_name").first()
    if row and row[0] and row[1].strip():
        return cluster_machine(row[1])
    return machine_of_host()


def machine_of_host() -> str:
    """The digest of this host's machine id.

    Raises:
        Refused: `machine_id_missing`.
    """
    path: Path = settings.KEYMANAGER.machine_id_file
    try:
        return machine_id_digest(_machine_id(path))
    except (OSError, ValueError):
        raise Refused(
            "machine_id_missing",
            _(
                "KEYMANAGER_MACHINE_ID_FILE: found no machine id in %(path)s, expected a file that holds "
                "this computer's own id on one line."
            )
            % {"path": path},
            path=str(path),
        ) from None


def _machine_id(path: Path) -> str:
    if sys.platform == "win32" and not path.exists():  # pragma: no cover
        return _machine_guid()
    return path.read_text(encoding="utf-8")


if sys.platform == "win32":  # pragma: no cover

    def _machine_guid() -> str:
        import winreg

        with winreg.OpenKey(
            winreg.HKEY_LOCAL_MACHINE,
            r"SOFTWARE\Microsoft\Cryptography",
            access=winreg.KEY_READ | winreg.KEY_WOW64_64KEY,
        ) as key:
            return str(winreg.QueryValueEx(key, "MachineGuid")[0])


def installation_name() -> str:
    """What the vendor's pages call this installation: the cluster's name, or the host's."""
    row = Configuration.objects.filter(pk=1).values_list("clustered", "cluster_name").first()
    name = row[1] if row and row[0] else socket.gethostname()
    printable = "".join(char for char in name if not unicodedata.category(char).startswith("C")).strip()
    return printable[:NAME_LENGTH] or "key-manager"
