"""The running authority: web server, mailbox and outbox, started and stopped together."""

import threading
from pathlib import Path
from typing import Protocol

from .application import Application
from .server import AuthorityServer

_LOOK_UP_SECONDS = 0.1


class _Part(Protocol):
    def stop(self) -> None: ...


class Service:
    """Everything that listens; ready once constructed."""

    def __init__(
        self, application: Application, host: str, port: int, tls: tuple[Path, Path] | None = None
    ) -> None:
        self._application = application
        self._host = host
        self._stop = threading.Event()
        self._server = AuthorityServer(application, host, port, tls)
        self._parts: list[_Part] = [self._server]
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="web", daemon=True).start()

    @property
    def url(self) -> str:
        """Where the authority is reached."""
        return self._server.url

    def open_mailbox(self, port: int, relay: tuple[str, int]) -> None:
        """Listens for mails too, and sends what an earlier run left. Raises OSError."""
        # Imported only where there is a mailbox: it would double the time of the start.
        from .mail_server import open_mail_server
        from .mailbox import Mailbox
        from .outbox import Outbox

        outbox = Outbox(self._application.store, relay)
        outbox.start()
        mailbox = Mailbox(self._application.desk, outbox, self._application.clock.now)
        self._parts += [outbox, open_mail_server(mailbox, self._host, port)]

    def ask_to_stop(self) -> None:
        """Ends run(); safe in a signal handler."""
        self._stop.set()

    def run(self) -> None:
        """Serves until asked to stop, then stops."""
        # The system may hand a signal to any thread; Python carries it out in this one once it looks up.
        while not self._stop.wait(_LOOK_UP_SECONDS):
            pass
        self.stop()

    def stop(self) -> None:
        """Ends everything, the latest part first; what was answered is on the disk."""
        for part in reversed(self._parts):
            part.stop()
        self._application.store.close()
