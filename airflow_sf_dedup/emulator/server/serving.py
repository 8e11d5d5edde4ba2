"""Starting and stopping the emulator."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn

from airflow_sf_dedup.emulator.server.app import Log, make_app
from airflow_sf_dedup.emulator.server.certificates import HOST, Certificate
from airflow_sf_dedup.emulator.server.connections import Connections
from airflow_sf_dedup.emulator.server.quick_ending import Server
from airflow_sf_dedup.emulator.state.org import Org

_START_TIMEOUT = 10.0


class Running:
    """An org behind a server of its own."""

    def __init__(self, state: Org, server: Server, listener: socket.socket, ca_file: str | None) -> None:
        self.state = state
        #: PEM file of the certificate authority, when started with ``tls``.
        self.ca_file = ca_file
        self._server = server
        self._listener = listener
        scheme = "https" if ca_file else "http"
        self.url = f"{scheme}://{HOST}:{listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self.serve, name="emulated-org", daemon=True)

    @classmethod
    def start(cls, org: Path | str | Mapping[str, Any] | None = None, *, port: int = 0, tls: bool = False) -> Self:
        """Starts an emulator in a thread of this process.

        :param org: an org file, its parsed form, or None for the bundled default org.
        :param port: 0 takes any free one.
        :param tls: https, with a certificate made on the spot.
        :raises OrgFileError: naming the setting that cannot be used.
        """
        emulator = cls.prepare(Org.read(org), port=port, tls=tls)
        emulator._thread.start()
        emulator._wait_until_ready()
        return emulator

    @classmethod
    def prepare(cls, state: Org, *, port: int = 0, tls: bool = False, log: Log | None = None) -> Self:
        """An emulator that listens already, and answers once ``serve`` is called."""
        listener = socket.create_server((HOST, port), backlog=256)
        certificate = Certificate.issue() if tls else None
        connections = Connections()
        config = uvicorn.Config(
            make_app(state, connections=connections, log=log),
            http=connections.protocol(),
            log_level="error",
            access_log=False,
            lifespan="off",
            ws="none",
            # Clients that poll every five seconds must not meet a connection that is just being closed.
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
        )
        config.load()
        if certificate is not None:
            config.ssl = certificate.context
        return cls(state, Server(config), listener, certificate.ca_file if certificate else None)

    def serve(self) -> None:
        """Answers until stopped; SIGTERM and SIGINT stop it when this is the main thread."""
        self._server.run(sockets=[self._listener])

    def stop(self) -> None:
        self.state.jobs.stop()
        # A TLS connection that idles would be waited for until its client says goodbye.
        self._server.force_exit = self.ca_file is not None
        self._server.tell_to_stop()
        if self._thread.is_alive():
            self._thread.join(_START_TIMEOUT)
        self._listener.close()
        if self.ca_file:
            Path(self.ca_file).unlink(missing_ok=True)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError("the emulator did not start")
            time.sleep(0.005)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
