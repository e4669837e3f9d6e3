"""`python -m tests.engine.driver FOLDER LEASES [FAULT]`: the real engine at work on a portal's data folder.

Programs log in, send heartbeats and log out, sixteen at once; each acknowledgement is written to the file
`acknowledged` of the folder, `T id` or `R id`, at the moment at which a client would have it.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from tests.engine.asking import submitted

AT_ONCE = 16


def main() -> None:
    """Set Django up, plant the fault that is asked for, and work."""
    folder, leases = Path(sys.argv[1]), int(sys.argv[2])
    os.environ["KEYMANAGER_DATA"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "keymanager.settings"
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    import django

    django.setup()
    if len(sys.argv) > 3:
        from tests.engine import faults

        getattr(faults, sys.argv[3])()
    asyncio.run(work(folder, leases))


async def work(folder: Path, leases: int) -> None:
    """Let sixteen programs take and return `leases` leases together; every third is kept."""
    from django.db import connection

    from licensing.engine.engine import Engine
    from licensing.models import ErpClient, Module
    from licensing.operations.clock import portal_now

    engine = Engine(asyncio.get_running_loop(), portal_now)
    acknowledged = os.open(folder / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    client = ErpClient.objects.values_list("id", flat=True).get()
    codes = tuple(Module.objects.values_list("code", flat=True).order_by("id"))
    places = iter(range(leases))
    programs = [program(engine, client, codes, number, places, acknowledged) for number in range(AT_ONCE)]
    await asyncio.gather(*programs)
    engine.close()
    connection.close()


async def program(
    engine: Any, client: int, codes: tuple[str, ...], number: int, places: Any, acknowledged: int
) -> None:
    """One ERP program after another on one workstation."""
    from licensing.engine.batch import Kind, Work
    from licensing.operations.lease_values import CheckoutRequest, LeaseCall, Program

    for place in places:
        wanted = (codes[place % len(codes)],)
        request = CheckoutRequest(
            client, wanted, (), f"PC-{number}", "anna", Program("ERP", "1"), None, f"key-{place}", "0" * 64
        )
        lease = (await submitted(engine, Work(Kind.CHECKOUT, request))).outcome.lease
        os.write(acknowledged, f"T {lease.id}\n".encode())
        call = LeaseCall(client, lease.id)
        for _ in range(3):
            if engine.heartbeat(client, lease.id) is None:
                await submitted(engine, Work(Kind.HEARTBEAT, call))
        if place % 3:
            await submitted(engine, Work(Kind.RETURN, call))
            os.write(acknowledged, f"R {lease.id}\n".encode())


if __name__ == "__main__":
    main()
