"""The log level, changed while the portal runs, in each of its processes."""

import time
from pathlib import Path

import requests

from tests.portal_process import Serve, manage, wait_until

SECONDS = 10
SET_LEVEL = """
from licensing.operations.actors import COMMAND
from licensing.operations.clock import portal_now
from licensing.operations.configuration import change_configuration
change_configuration(portal_now(), COMMAND, log_level={level})
"""
CONTACT = """
from django_q.tasks import async_task
async_task("licensing.tasks.contact_now", "anna", "administrator")
"""


def test_a_level_takes_effect_in_every_process_within_ten_seconds(
    tmp_path: Path, machine_id_file: Path
) -> None:
    settings = {"KEYMANAGER_MACHINE_ID_FILE": str(machine_id_file)}
    data = tmp_path / "var"
    log = data / "logs" / "keymanager.log"

    def run(*arguments: str) -> str:
        done = manage(data, *arguments, **settings)
        assert done.returncode == 0, done.stderr
        return done.stdout

    with Serve(data, **settings) as portal:
        portal.wait_until_ready()
        token = run("add_erp_client", "Optima").splitlines()[-1]

        def use_each_process(mark: str) -> None:
            """The front by a checkout, the pages by one that is not there, the worker by a contact."""
            program = {"name": "ERP", "version": "1"}
            body = {"modules": ["X"], "workstation": mark, "user": "anna", "program": program}
            headers = {"Authorization": f"Bearer {token}"}
            requests.post(f"{portal.url}/api/v1/leases", json=body, headers=headers, timeout=20)
            requests.get(f"{portal.url}/no-such-page-{mark}", timeout=20)
            run("shell", "-v", "0", "-c", CONTACT)

        def lines() -> str:
            return log.read_text() if log.exists() else ""

        use_each_process("level-0")
        run("shell", "-v", "0", "-c", SET_LEVEL.format(level=2))
        time.sleep(SECONDS)
        assert "level-0" not in lines()
        use_each_process("level-2")
        for told in (
            "checkout X by anna on level-2",
            "no-such-page-level-2",
            "(page): authority_keys_missing",
        ):
            wait_until(lambda told=told: told in lines(), 15, lines)  # type: ignore[misc]
        told_by = [line for line in lines().splitlines() if "licensing" in line or "django" in line]
        processes = {next(word for word in line.split() if word.isdigit()) for line in told_by}
        assert len(processes) >= 3
        run("shell", "-v", "0", "-c", SET_LEVEL.format(level=0))
        time.sleep(SECONDS)
        use_each_process("level-zero-again")
        assert "level-zero-again" not in lines()
