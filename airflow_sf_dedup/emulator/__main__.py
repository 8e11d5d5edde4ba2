"""``python -m airflow_sf_dedup.emulator``: an emulated org in the foreground.

When it is ready it prints one line of JSON on stdout: ``url``, ``access_token``, ``org_id`` and, with ``--tls``,
``ca_file``. What a person wants to read goes to stderr: how to connect, and a line for each call.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from airflow_sf_dedup.emulator.definition.org_file import DEFAULT_ORG
from airflow_sf_dedup.emulator.definition.seed_files import UnreadableRows
from airflow_sf_dedup.emulator.errors import ApiError, SettingError
from airflow_sf_dedup.emulator.server.call_log import Seen, line
from airflow_sf_dedup.emulator.server.control import asks_emulator
from airflow_sf_dedup.emulator.server.lines import Lines
from airflow_sf_dedup.emulator.server.running import EmulatedOrg
from airflow_sf_dedup.emulator.server.welcome import summary, welcome
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.state.snapshot_files import load, save
from airflow_sf_dedup.emulator.suggesting import did_you_mean


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.print_org:
        sys.stdout.write(DEFAULT_ORG.read_text(encoding="utf-8"))
        return 0
    try:
        org = _org(options)
        if options.check:
            sys.stdout.write(summary(org, options.org) + "\n")
            return 0
        return _serve(org, options)
    except (SettingError, UnreadableRows) as error:
        return _refuse(error)
    except ApiError as error:
        return _refuse(error.message)
    except OSError as error:
        return _refuse(f"cannot listen on port {options.port}: {error.strerror or error}")


def _refuse(error: object) -> int:
    sys.stderr.write(f"{error}\n")
    return 2


def _org(options: argparse.Namespace) -> Org:
    try:
        org = Org.read(options.org)
    except SettingError as error:
        raise SettingError(str(options.org or "the bundled org"), str(error)) from None
    if options.snapshot:
        _load(org, options.snapshot)
    for sobject, path in options.seed:
        if org.schema.find(sobject) is None:
            near = did_you_mean(sobject, org.schema.sobjects)
            raise SettingError(f"--seed {sobject}={path}", f"the org has no such sobject{near}")
        org.seed(sobject, path)
    return org


def _load(org: Org, snapshot: Path) -> None:
    if snapshot.exists():
        load(org, snapshot)
    elif not snapshot.absolute().parent.is_dir():
        raise SettingError(str(snapshot), "cannot be written: there is no such folder")


def _serve(org: Org, options: argparse.Namespace) -> int:
    said = None if options.quiet else Lines()
    log = _Log(said, everything=options.verbose) if said else None
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, _leave)
    try:
        with EmulatedOrg.prepare(org, port=options.port, tls=options.tls, log=log) as emulator:
            _answer(emulator, options, said)
    finally:
        if said:
            said.close()
    return 0


def _answer(emulator: EmulatedOrg, options: argparse.Namespace, said: Lines | None) -> None:
    # A row leaves next to no garbage in circles, and looking for it among 100,000 records takes 0.2 s each time.
    gc.freeze()
    gc.set_threshold(50_000, 50)
    try:
        if said:
            said(welcome(emulator, options.org))
        sys.stdout.write(json.dumps(_ready(emulator)) + "\n")
        sys.stdout.flush()
        emulator.serve()
    finally:
        if options.snapshot:
            save(emulator.state, options.snapshot)


def _leave(signal_number: int, frame: object) -> None:
    """The server stops listening at a signal, and hands it on when it has stopped."""
    raise SystemExit(0)


class _Log:
    """Says each call in a line."""

    def __init__(self, lines: Lines, *, everything: bool) -> None:
        self._lines = lines
        self._everything = everything
        self._colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ

    def __call__(self, seen: Seen) -> None:
        if self._everything or not asks_emulator(seen.request):
            self._lines(line(seen, time=datetime.now().strftime("%H:%M:%S"), colour=self._colour))


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} should be a number from 0 to 65535")
    return int(text)


def _seed(text: str) -> tuple[str, Path]:
    sobject, equals, path = text.partition("=")
    if not (sobject and equals and path):
        raise argparse.ArgumentTypeError(f"{text!r} should be SOBJECT=FILE, such as Lead=leads.csv")
    return sobject, Path(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_sf_dedup.emulator", description="A Salesforce org on this machine."
    )
    add = parser.add_argument
    add("--port", type=_port, default=0, help="0, the default, takes any free port")
    add("--org", type=Path, metavar="FILE", help="an org file; without it, the bundled org")
    add("--seed", type=_seed, action="append", default=[], metavar="SOBJECT=FILE", help=_HELP_SEED)
    add("--snapshot", type=Path, metavar="FILE", help="begin with these records; they are written back at the end")
    add("--tls", action="store_true", help="https, with a certificate made on the spot")
    add("--check", action="store_true", help="read the org file and the records, say what is wrong, and end")
    add("--print-org", action="store_true", help="print the bundled org file, to begin one of your own with")
    loud = parser.add_mutually_exclusive_group()
    loud.add_argument("--quiet", action="store_true", help="nothing on stderr but mistakes")
    loud.add_argument("--verbose", action="store_true", help="show calls of /_emulator too")
    return parser


_HELP_SEED = "records to begin with, from a .csv, .ndjson or .json file; may be given several times, parents first"


def _ready(emulator: EmulatedOrg) -> dict[str, str]:
    ready = {"url": emulator.url, "access_token": emulator.access_token, "org_id": emulator.org_id}
    return {**ready, "ca_file": emulator.ca_file} if emulator.ca_file else ready


if __name__ == "__main__":
    sys.exit(main())
