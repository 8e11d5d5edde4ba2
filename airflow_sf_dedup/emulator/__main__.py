"""``python -m airflow_sf_dedup.emulator``: an emulated org in the foreground.

When it is ready it prints one line of JSON: ``url``, ``access_token``, ``org_id`` and, with ``--tls``, ``ca_file``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from airflow_sf_dedup.emulator.app import to_stderr
from airflow_sf_dedup.emulator.errors import ApiError, OrgFileError
from airflow_sf_dedup.emulator.org import Org
from airflow_sf_dedup.emulator.server import EmulatedOrg


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        state = Org.read(options.org)
    except (OrgFileError, ApiError) as error:
        to_stderr(f"org file: {error}")
        return 2
    log = to_stderr if options.verbose else None
    with EmulatedOrg.prepare(state, port=options.port, tls=options.tls, log=log) as emulator:
        sys.stdout.write(json.dumps(_ready(emulator)) + "\n")
        sys.stdout.flush()
        emulator.serve()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_sf_dedup.emulator", description="A Salesforce org on this machine."
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--org", type=Path, help="an org file; without it, the bundled default org")
    parser.add_argument("--tls", action="store_true", help="https, with a certificate made on the spot")
    parser.add_argument("--verbose", action="store_true", help="one line on stderr for each call")
    return parser


def _ready(emulator: EmulatedOrg) -> dict[str, str]:
    ready = {"url": emulator.url, "access_token": emulator.access_token, "org_id": emulator.org_id}
    return {**ready, "ca_file": emulator.ca_file} if emulator.ca_file else ready


if __name__ == "__main__":
    sys.exit(main())
