"""A data folder to measure on: an installation, keys with signed grants, an ERP client.

`python -m benchmarks.dataset DIR --keys 2 --modules 5 --seats 100000` makes it and prints, as one JSON
line, the token and the module codes. The grants are signed by an authority of its own, valid 72 h.
"""

import argparse
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from licensing.protocol.grants import sign_grant
from licensing.protocol.keys import AuthoritySecrets
from licensing.protocol.messages import Grant, GrantedModule


def prepare(folder: Path, database_url: str | None = None) -> AuthoritySecrets:
    """Make the folder and the authority's key set, and set Django up on it."""
    folder.mkdir(parents=True, exist_ok=True)
    secrets = AuthoritySecrets.generate()
    jwks = folder / "authority-jwks.json"
    jwks.write_text(secrets.public().to_json())
    (folder / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    lines = [
        f"KEYMANAGER_AUTHORITY_JWKS={jwks}",
        "KEYMANAGER_AUTHORITY_URL=http://127.0.0.1:9",
        f"KEYMANAGER_MACHINE_ID_FILE={folder / 'machine-id'}",
    ]
    if database_url:
        lines.append(f"KEYMANAGER_DATABASE_URL={database_url}")
    (folder / "keymanager.env").write_text("\n".join(lines) + "\n")
    os.environ["KEYMANAGER_DATA"] = str(folder)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "keymanager.settings")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    return secrets


def fill(secrets: AuthoritySecrets, keys: int, modules: int, seats: int) -> dict[str, object]:
    """Store the installation, its keys and one ERP client; the token and codes to call with."""
    from licensing.models import Installation, KeyState, VirtualKey
    from licensing.operations.actors import COMMAND
    from licensing.operations.clients import add_erp_client
    from licensing.operations.installation import bump_version, ensure_installation
    from licensing.operations.leases import apply_grant
    from licensing.operations.machine import machine

    now = datetime.now(UTC)
    ensure_installation(now)
    installation = Installation.objects.values_list("thumbprint", flat=True).get(pk=1)
    codes = []
    for place in range(keys):
        number = f"50000{place:05d}"
        granted = tuple(
            GrantedModule(
                f"M{place}_{code}", {"pl": f"Moduł {code}", "en": f"Module {code}"}, seats, None, None
            )
            for code in range(modules)
        )
        codes += [module.code for module in granted]
        grant = Grant(number, "123456", installation, 1, now, now + timedelta(hours=72), granted)
        key = VirtualKey.objects.create(
            number=number,
            customer="123456",
            state=KeyState.ACTIVE,
            serial=1,
            grant=sign_grant(grant, secrets),
            bound_machine=machine(),
            last_contact_at=now,
            added_at=now,
        )
        apply_grant(key, grant, now)
    _, token = add_erp_client(now, COMMAND, "benchmark")
    bump_version()
    return {"token": token, "codes": codes, "keys": [f"50000{place:05d}" for place in range(keys)]}


def main() -> None:
    """Make a data folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keys", type=int, default=1)
    parser.add_argument("--modules", type=int, default=5)
    parser.add_argument("--seats", type=int, default=100_000)
    parser.add_argument("--database-url")
    options = parser.parse_args()
    secrets = prepare(options.folder.resolve(), options.database_url)
    print(json.dumps(fill(secrets, options.keys, options.modules, options.seats)))


if __name__ == "__main__":
    main()
