"""Starting and stopping the emulator."""

from __future__ import annotations

import json
import os
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

import uvicorn

from airflow_sf_dedup.emulator.faults.switches import Fault
from airflow_sf_dedup.emulator.server.app import Log, make_app
from airflow_sf_dedup.emulator.server.connections import Connections
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.state.snapshots import Snapshot, restore, take

_HOST = "127.0.0.1"
_START_TIMEOUT = 10.0


class EmulatedOrg:
    """A running emulator.

    >>> with EmulatedOrg.start() as org:  # doctest: +SKIP
    ...     requests.get(f"{org.url}/services/data")
    """

    def __init__(self, state: Org, server: uvicorn.Server, listener: socket.socket, ca_file: str | None) -> None:
        self.state = state
        #: PEM file of the certificate authority, when started with ``tls``.
        self.ca_file = ca_file
        self._server = server
        self._listener = listener
        scheme = "https" if ca_file else "http"
        self.url = f"{scheme}://{_HOST}:{listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self.serve, name="emulated-org", daemon=True)

    @classmethod
    def start(
        cls, org: Path | str | Mapping[str, Any] | None = None, *, port: int = 0, tls: bool = False
    ) -> EmulatedOrg:
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
    def prepare(cls, state: Org, *, port: int = 0, tls: bool = False, log: Log | None = None) -> EmulatedOrg:
        """An emulator that listens already, and answers once ``serve`` is called."""
        listener = socket.create_server((_HOST, port), backlog=256)
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
        return cls(state, uvicorn.Server(config), listener, certificate.ca_file if certificate else None)

    @property
    def access_token(self) -> str:
        return self.state.access_token

    @property
    def org_id(self) -> str:
        return self.state.org_id

    @property
    def airflow_connection(self) -> str:
        """A connection to this org as JSON, the value of an ``AIRFLOW_CONN_…`` variable."""
        extra = {"access_token": self.access_token, "instance_url": self.url}
        if self.ca_file:
            extra["ca_bundle"] = self.ca_file
        return json.dumps({"conn_type": "salesforce", "extra": extra})

    @property
    def airflow_connection_uri(self) -> str:
        """The same as a URI, for what takes no JSON."""
        return "salesforce://?" + urlencode(json.loads(self.airflow_connection)["extra"])

    # --- what a test wants to do with the org ---

    def seed(self, sobject: str, rows: Iterable[Mapping[str, Any]] | Path | str) -> list[str]:
        """Puts records without running any rule; returns their ids. See :meth:`Org.seed`.

        :param rows: mappings, or the path of a CSV, NDJSON or JSON file.
        """
        return self.state.seed(sobject, rows)

    def records(self, sobject: str, *, deleted: bool = False, **values: Any) -> list[dict[str, Any]]:
        """The live records, without their null fields: ``org.records("Lead", Email="ada@nowak.example")``.

        :param deleted: those in the recycle bin too.
        :param values: only records that have these values; text is compared whatever its case.
        """
        return self.state.records(sobject, deleted=deleted, having=values)

    def record(self, record_id: str) -> dict[str, Any] | None:
        """One record, live or in the recycle bin, by its id of 15 or 18 characters."""
        return self.state.shown(record_id)

    def calls(self, last: int | None = None) -> list[dict[str, Any]]:
        """The calls since the start or the last reset: method, path, status, what became of their rows …"""
        return self.state.calls(last)

    def stats(self) -> dict[str, Any]:
        """``{"api_calls": 11, "by_call": {"POST /composite": 5, "SOAP upsert": 6}, "logins": 1}``."""
        return self.state.stats()

    def ledger(self, after: int = 0) -> list[dict[str, Any]]:
        """What became of every row of every call, whatever its caller was told."""
        return self.state.ledger.entries(after)

    def add_faults(self, *faults: Fault | Mapping[str, Any], seed: int | None = None) -> None:
        """Switches faults on, beside those that are on."""
        self.state.faults.add(faults, seed=seed)

    def clear_faults(self) -> None:
        self.state.faults.clear()

    def change_physics(self, **settings: Any) -> None:
        """``org.change_physics(commit_window=0.5)``; None takes a setting back to its default."""
        self.state.change_physics(settings)

    def expire_sessions(self) -> int:
        """Makes every access token invalid; returns how many there were."""
        return self.state.expire_sessions()

    def snapshot(self) -> Snapshot:
        """The org as it is now, for ``restore``."""
        return take(self.state)

    def restore(self, snapshot: Snapshot) -> None:
        """The org as it was then."""
        restore(self.state, snapshot)

    def reset(self) -> None:
        """The org as its org file says."""
        self.state.reset()

    # --- starting and stopping ---

    def serve(self) -> None:
        """Answers until stopped; SIGTERM and SIGINT stop it when this is the main thread."""
        self._server.run(sockets=[self._listener])

    def stop(self) -> None:
        self.state.jobs.stop()
        self._server.should_exit = True
        # A TLS connection that idles would be waited for until its client says goodbye.
        self._server.force_exit = self.ca_file is not None
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

    def __enter__(self) -> EmulatedOrg:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class Certificate:
    """A certificate for this machine, signed by an authority of its own."""

    def __init__(self, context: ssl.SSLContext, ca_file: str) -> None:
        self.context = context
        self.ca_file = ca_file

    @classmethod
    def issue(cls) -> Certificate:
        import trustme

        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(_HOST, "localhost").configure_cert(context)
        handle, ca_file = tempfile.mkstemp(prefix="emulated-org-", suffix=".pem")
        os.close(handle)
        authority.cert_pem.write_to_path(ca_file)
        return cls(context, ca_file)
