"""``python -m airflow_sf_dedup.audit``: upgrade, purge, erase and show the audit.

Exit codes: 0 done; 1 nothing was found to show or erase; 2 a parameter, connection or database is unusable.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.table import Table
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from airflow_sf_dedup.audit.base import Load, Totals
from airflow_sf_dedup.audit.engine import engine_for
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.audit.upgrade import REVISIONS, ensure_current, upgrade
from airflow_sf_dedup.errors import SettingError

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def age(text: str) -> timedelta:
    """Read an age such as ``90d``, ``12h`` or ``4w``."""
    found = re.fullmatch(r"(\d{1,6})([hdw])", text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no age; write 90d, 12h or 4w.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _parser() -> argparse.ArgumentParser:
    place = argparse.ArgumentParser(add_help=False)
    where = place.add_mutually_exclusive_group()
    where.add_argument("--url", help="database URL, such as postgresql://user@host/db or sqlite:////path")
    where.add_argument("--audit-conn-id", help="Airflow connection; without either, the embedded file is used")
    parser = argparse.ArgumentParser(prog="python -m airflow_sf_dedup.audit", description="Look after the audit.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("upgrade", parents=[place], help="create or upgrade the tables")
    purge = commands.add_parser("purge", parents=[place], help="delete old loads")
    purge.add_argument("--older-than", type=age, required=True, metavar="90d")
    purge.add_argument("--force", action="store_true", help="also loads with rows that await a person")
    erase = commands.add_parser("erase", parents=[place], help="remove what is kept of one key")
    erase.add_argument("--key", required=True)
    erase.add_argument("--sobject", help="only in loads of this sObject")
    erase.add_argument("--external-id-field", help="only in loads by this field")
    show = commands.add_parser("show", parents=[place], help="what became of the rows of a load or a run")
    show.add_argument("--load", metavar="LOAD_ID")
    show.add_argument("--dag", metavar="DAG_ID")
    show.add_argument("--run", metavar="RUN_ID")
    return parser


def _url(args: argparse.Namespace) -> str | URL:
    if args.url:
        return str(args.url)
    from airflow_sf_dedup.hooks.audit import audit_url

    url: URL = audit_url(args.audit_conn_id)
    return url


def _upgrade(audit: SqlAudit, _args: argparse.Namespace, console: Console) -> int:
    upgrade(audit.engine)
    place = audit.engine.url.render_as_string(hide_password=True)
    console.print(f"The audit tables in {place} are at revision {REVISIONS[-1]}.")
    return 0


def _purge(audit: SqlAudit, args: argparse.Namespace, console: Console) -> int:
    purged = audit.purge(datetime.now(UTC) - args.older_than, force=args.force)
    console.print(f"{purged.loads} loads with {purged.entries} entries purged.")
    if purged.kept:
        console.print(f"{len(purged.kept)} old loads kept: rows of theirs still wait (--force deletes them).")
        console.print("\n".join(purged.kept))
    return 0


def _erase(audit: SqlAudit, args: argparse.Namespace, console: Console) -> int:
    rows = audit.erase(args.key, sobject=args.sobject, external_id_field=args.external_id_field)
    console.print(f"{rows} rows erased." if rows else "No entry has this very key.")
    return 0 if rows else 1


def _show(audit: SqlAudit, args: argparse.Namespace, console: Console) -> int:
    loads = _loads(audit, args)
    for load in loads:
        totals = audit.totals(load.load_id)
        console.print(_headline(load, totals))
        console.print(_table(totals))
    if not loads:
        console.print("The audit has no such load.")
    return 0 if loads else 1


def _loads(audit: SqlAudit, args: argparse.Namespace) -> list[Load]:
    if args.load:
        load = audit.load(args.load)
        return [load] if load else []
    if args.dag and args.run:
        return audit.loads_of_run(args.dag, args.run)
    raise SettingError("show needs --load, or --dag and --run.", setting="load")


def _headline(load: Load, totals: Totals) -> str:
    read = "unknown" if load.rows_read is None else str(load.rows_read)
    return (
        f"Load {load.load_id}: {load.sobject} by {load.external_id_field}, {load.dag_id} {load.run_id}\n"
        f"rows read {read}, entries {totals.rows}, API calls {load.api_calls}"
    )


def _table(totals: Totals) -> Table:
    table = Table("action", "error code", "reason")
    table.add_column("rows", justify="right")
    explained = {
        (action.value, code or "", reason or ""): rows for (action, code, reason), rows in totals.reasons.items()
    }
    for action, rows in totals.actions.items():
        plain = rows - sum(count for (name, *_), count in explained.items() if name == action.value)
        if plain:
            explained[action.value, "", ""] = plain
    for cells, rows in sorted(explained.items()):
        table.add_row(*cells, str(rows))
    return table


_COMMANDS = {"upgrade": _upgrade, "purge": _purge, "erase": _erase, "show": _show}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and answer its exit code."""
    args = _parser().parse_args(argv)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    try:
        audit = SqlAudit(engine_for(_url(args)))
        if args.command != "upgrade":
            ensure_current(audit.engine)
        return _COMMANDS[args.command](audit, args, console)
    except SettingError as error:
        Console(stderr=True, soft_wrap=True, markup=False).print(str(error))
    except (DBAPIError, OSError) as error:
        reason = getattr(error, "orig", None) or error
        Console(stderr=True, soft_wrap=True, markup=False).print(f"The audit's database: {reason}")
    return 2


if __name__ == "__main__":
    sys.exit(main())
