"""`serve` from its first line to its last: prepare, start, wait until ready, supervise, end.

It supervises for months, so it is kept small: what needs the database is done by the command `prepare`.
"""

import argparse
import contextlib
import logging
import logging.config
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

from keymanager import deployment
from keymanager.wrong import WrongSetting
from licensing import logs
from licensing.operations.errors import Refused

from . import demo as demos
from .children import Options, environment_of, portal_children, run_module
from .data_folder import file_unusable, lock, open_folder
from .demo_settings import keep, kept_demo, open_demo
from .lifeline import name_supervisor
from .ports import answers, require_address, require_free, require_two
from .signs import sign_of_life
from .supervisor import Child, Supervisor

SLOW_SECONDS = 30.0
LOOK_SECONDS = 0.05
logger = logging.getLogger(logs.SUPERVISOR)
STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `serve` may be asked."""
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    parser.add_argument("--port", type=_port, default=8000, help="the port to listen on (%(default)s)")
    parser.add_argument("--demo", action="store_true", help="with a reference authority and made-up keys")
    parser.add_argument("--authority-port", type=_port, default=9400, help="its port (%(default)s)")


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{number} is no port from 1 to 65535")
    return number


def main(arguments: Sequence[str]) -> int:
    """Run `serve` and tell its exit status; what goes wrong is told in one line."""
    parser = argparse.ArgumentParser(
        prog="manage.py serve", description="Runs the portal.", epilog="--data DIR names the data folder."
    )
    add_arguments(parser)
    given = parser.parse_args(arguments)
    try:
        data = deployment.data_folder()
        logging.config.dictConfig(logs.logging_config(data, has_console=False))
        serve(Options(data, given.host, given.port, given.authority_port if given.demo else None))
    except (WrongSetting, Refused) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(file_unusable(error, data), file=sys.stderr)
        return 1
    except NotPrepared as error:
        return error.status
    return 0


class NotPrepared(Exception):
    """`prepare` has said why; the exit status is its own."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def serve(options: Options) -> None:
    """Run the portal until a signal asks for the end.

    Raises:
        Refused: the folder or a port is taken, the host is none of this computer's …
        NotPrepared: the key file is wrong, the database cannot be used …
    """
    folder = options.data
    require_address(options.host)
    if options.authority_port is not None:
        require_two(options.port, options.authority_port)
    open_folder(folder)
    supervisor = Supervisor(_tell_and_log, logs.folder_of(folder))
    with lock(folder), demos.not_ready(folder), _stopped_by_signals(supervisor):
        require_free("--port", options.host, options.port)
        if options.authority_port is not None:
            _start_demo(options, options.authority_port, supervisor)
        _prepare(options, supervisor)
        _start_portal(options, supervisor)
        if not supervisor.is_stopping:
            _greet(options)
        supervisor.run()


def tell(line: str) -> None:
    """Print a line at once; whoever closed our output does not stop the portal."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


def _tell_and_log(line: str) -> None:
    tell(line)
    logger.warning(line)


@contextmanager
def _stopped_by_signals(supervisor: Supervisor) -> Iterator[None]:
    """Let signals stop the supervisor, and end its children whatever happens."""

    def stop(signum: int, frame: FrameType | None) -> None:
        supervisor.ask_to_stop()

    for name in STOP_SIGNALS:
        number = getattr(signal, name, None)
        # Whoever started us with `nohup` has it ignored, so that we outlive the log-out.
        if number is not None and (name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN):
            signal.signal(number, stop)
    try:
        yield
    finally:
        supervisor.end()


def _start_demo(options: Options, authority_port: int, supervisor: Supervisor) -> None:
    """Start authority and mail, and let the portal trust this authority."""
    require_free("--authority-port", "127.0.0.1", authority_port)
    demo = open_demo(options.data, authority_port)
    keep(demo)
    demos.give_machine_id(demo)
    for child in demos.children(demo, run_module()):
        supervisor.start(Child(child.name, child.command, environment_of(options)))
    _wait(supervisor, "the authority", lambda: answers(f"{demo.authority_url}/_control/state"))
    demos.trust_authority(demo)


def _prepare(options: Options, supervisor: Supervisor) -> None:
    """Have the data folder prepared by a process of its own, which prints what it does."""
    demo = () if options.authority_port is None else ("--demo",)
    command = (*run_module(), "manage", "prepare", *demo)
    environment = {**os.environ, **environment_of(options), **name_supervisor()}
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL) as process:
        while process.poll() is None and not supervisor.is_stopping:
            supervisor.look_after(LOOK_SECONDS)
        if supervisor.is_stopping:
            process.terminate()
    if process.returncode and not supervisor.is_stopping:
        raise NotPrepared(process.returncode)


def _start_portal(options: Options, supervisor: Supervisor) -> None:
    """Start web servers and worker and wait for them."""
    before = sign_of_life(options.data)
    front, pages, worker = portal_children(options)
    for child in (front, pages, worker):
        if not supervisor.is_stopping:
            supervisor.start(child)
    # Asked through the front, the log-in page shows that both servers are there. The pages are asked before,
    # for the front keeps a question to them for longer than they may need.
    login = f"{options.url}/accounts/login/"
    _wait(supervisor, "the web server", lambda: pages.is_alive() and answers(login))
    _wait(supervisor, "the worker", lambda: sign_of_life(options.data) != before)


def _wait(supervisor: Supervisor, what: str, is_ready: Callable[[], bool]) -> None:
    """Look after the children until something is ready; say so where that takes long."""
    tell_at = time.monotonic() + SLOW_SECONDS
    while not supervisor.is_stopping and not is_ready():
        if time.monotonic() > tell_at:
            supervisor.tell(f"{what} is not ready yet")
            tell_at = math.inf
        supervisor.look_after(LOOK_SECONDS)


def _greet(options: Options) -> None:
    """Tell that all is ready, and what is needed to begin."""
    demo = kept_demo(options.data) if options.authority_port is not None else None
    if demo is not None:
        demos.announce(demo, options.url, datetime.now(UTC))
    tell(f"The Key Manager is ready at {options.url}")
    if demo is not None:
        tell(f"  administrator: {demo.username}   password: {demo.password}")
        tell(f"  ERP client's token: {demo.token}")
        tell(f"  authority: {demo.authority_url}   mails: {demo.outbox}")
    tell("Stop it with Ctrl+C.")
