"""``python -m airflow_sf_dedup.audit``: upgrade, purge, erase and show the audit, and put duplicate rules back.

What it prints is printable, whoever wrote it into the database: no escape sequence of an org reaches a terminal.

Exit codes: 0 done; 1 nothing was found to show or erase; 2 a parameter, connection or database is unusable, staged
rows could not be looked for everywhere, or a duplicate rule could not be put back.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console
from sqlalchemy import URL, Engine
from sqlalchemy.exc import DBAPIError

from airflow_sf_dedup.audit.against_plan import against_plan
from airflow_sf_dedup.audit.base import Load, LoadKind
from airflow_sf_dedup.audit.report import WIDTH, lines_of, report_of, show_run
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.plan_differences import PlanDifference
from airflow_sf_dedup.core.printable import printable
from airflow_sf_dedup.core.spans import LONGEST, read_span
from airflow_sf_dedup.core.wording import counted
from airflow_sf_dedup.database.database_errors import first_line, place_of
from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.database.upgrade import REVISIONS, ensure_current, upgrade
from airflow_sf_dedup.errors import AuditUnreachableError, ConnectionMissingError, SettingError

#: Airflow's own switch; with it, as in ``airflow connections get``, connections are also sought in its database.
_CONTEXT, _SERVER = "_AIRFLOW_PROCESS_CONTEXT", "server"


def age(text: str) -> timedelta:
    """Read an age such as ``90d``, ``12h`` or ``4w``."""
    read = read_span(text)
    if read is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no age up to {LONGEST.days}d; write 90d, 12h or 4w.")
    return read


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
    erase.add_argument("--key", required=True, help="or -, to read it from standard input, which no history keeps")
    erase.add_argument("--sobject", help="only in loads of this sObject")
    erase.add_argument("--external-id-field", help="only in loads by this field")
    show = commands.add_parser("show", parents=[place], help="what became of the rows of the latest load, or of others")
    show.add_argument("--load", metavar="LOAD_ID", help="that load")
    show.add_argument("--dag", metavar="DAG_ID", help="the latest load of that Dag")
    show.add_argument("--run", metavar="RUN_ID", help="with --dag, all loads of that run")
    show.add_argument("--plans", action="store_true", help="the latest plan, or the plans of the run, instead of loads")
    rules = commands.add_parser(
        "rules", parents=[place], help="which duplicate rules are off for a load; put them back"
    )
    what = rules.add_mutually_exclusive_group()
    what.add_argument("--restore", action="store_true", help="switch on what loads left off whose lease is over")
    what.add_argument("--forget", action="store_true", help="no longer tell of rules that somebody changed meanwhile")
    rules.add_argument("--now", action="store_true", help="with --restore, also those whose lease is not over")
    rules.add_argument("--salesforce-conn-id", help="with --restore, instead of the connection that is noted")
    differences = commands.add_parser("differences", parents=[place], help="where a load differs from its plan")
    differences.add_argument("--load", metavar="LOAD_ID", required=True)
    return parser


def _url(args: argparse.Namespace) -> str | URL:
    return str(args.url) if args.url else _airflows_url(args.audit_conn_id)


def _airflows_url(audit_conn_id: str | None) -> URL:
    """The URL behind a connection, or of the embedded file.

    :raises SettingError: the connection is not known, or not of a type that is supported.
    """
    from airflow_sf_dedup.hooks.audit_place import audit_url

    try:
        return audit_url(audit_conn_id, setting="--audit-conn-id")
    except SettingError as error:
        if os.environ.get(_CONTEXT) == _SERVER or not isinstance(error, ConnectionMissingError):
            raise
    except Exception as error:  # Of whatever secrets backend.
        if os.environ.get(_CONTEXT) == _SERVER:
            raise SettingError(f"--audit-conn-id: {first_line(error)}", setting="audit_conn_id") from error
    # Second, because a worker, which may have the connection in its environment, has no such database.
    os.environ[_CONTEXT] = _SERVER
    return _airflows_url(audit_conn_id)


def _upgrade(engine: Engine, console: Console) -> int:
    # Airflow's logging writes what Alembic does to standard output.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    upgrade(engine)
    console.print(f"The audit tables in {place_of(engine.url)} are at revision {REVISIONS[-1]}.")
    return 0


def _purge(audit: SqlAudit, args: argparse.Namespace, console: Console) -> int:
    from airflow_sf_dedup.hooks.forgetting import purge

    forgotten = purge(audit, datetime.now(UTC) - args.older_than, force=args.force)
    purged = forgotten.audit
    plans = f" and {counted(purged.plans, 'plans')}" if purged.plans else ""
    what = f"{counted(purged.loads, 'loads')}{plans}"
    entries = "1 entry" if purged.entries == 1 else f"{purged.entries:,} entries"
    console.print(f"{what} with {entries} purged{':' if purged.named else '.'}")
    for load in purged.named:
        console.print(printable(load))
    if purged.kept:
        console.print(
            f"{counted(len(purged.kept), 'old loads')} kept: rows of theirs still wait (--force deletes them)."
        )
        console.print("\n".join(map(printable, purged.kept)))
    return _complain("Staged rows may be left in {}.", forgotten.unreachable)


def _erase(audit: SqlAudit, args: argparse.Namespace, console: Console) -> int:
    from airflow_sf_dedup.hooks.forgetting import erase

    erased = erase(audit, _key(args.key), sobject=args.sobject, external_id_field=args.external_id_field)
    console.print(f"{counted(erased.rows, 'rows')} erased." if erased.rows else "No entry has this very key.")
    for what in erased.removed:
        console.print(f"All staged rows of {what} were removed: they are not what was staged.")
    left = _complain("Staged rows may be left in {}: erase again when it can be reached.", erased.unreachable)
    left |= _complain("Load {} is being staged: erase again when its partition task is over.", erased.at_work)
    return left or (0 if erased.rows else 1)


def _key(given: str) -> str:
    """The key as it was given, or as one line of standard input.

    :raises SettingError: standard input is not one line.
    """
    if given != "-":
        return given
    key = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not key or "\n" in key:
        raise SettingError("--key -: expected the key as the one line of standard input.", setting="key")
    return key


def _complain(sentence: str, about: Sequence[str]) -> int:
    """Say on standard error what was left undone; answers the exit code."""
    for each in about:
        _errors().print(printable(sentence.format(each)))
    return 2 if about else 0


def _errors() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


def _show(audit: SqlAudit, args: argparse.Namespace, console: Console) -> int:
    loads = _loads(audit, args)
    width = console.width if console.is_terminal else WIDTH
    for load in loads:
        lines = lines_of(report_of(audit, load), width=width, ascii_only=console.options.ascii_only)
        console.print(_writable("\n".join(lines), console))
    if not loads:
        console.print(printable(f"{audit.place} has {_nothing(audit, args)}"))
    elif not (args.load or args.run):
        _lead_to_run(audit, loads[0], args.audit_conn_id, console)
    return 0 if loads else 1


def _differences(audit: SqlAudit, args: argparse.Namespace, console: Console) -> int:
    """Row by row, without a key or a value."""
    load = audit.load(args.load)
    beside = None if load is None else against_plan(audit, load)
    if load is None or beside is None:
        what = (
            _nothing(audit, args)
            if load is None
            else f"no plan of load {args.load}: it was given none, or that was purged"
        )
        console.print(printable(what if load else f"{audit.place} has {what}"))
        return 1
    console.print(_writable(printable(str(beside)), console))
    for each in audit.plan_differences(beside.plan_id, load.load_id):
        console.print(_writable(printable(_difference(each)), console))
    return 0


def _difference(row: PlanDifference) -> str:
    place = f"row {row.row_number or row.planned_row}"
    if row.row_number is not None and row.planned_row not in (None, row.row_number):
        place = f"{place} (planned as row {row.planned_row})"
    before, after = (
        " ".join(str(word) for word in words if word)
        for words in (
            (row.planned, row.planned_reason, row.planned_record),
            (row.became, row.reason, row.record_id),
        )
    )
    return f"{place}: {row.departure}: planned {before or 'nothing'}, became {after or 'nothing'}"


def _lead_to_run(audit: SqlAudit, load: Load, audit_conn_id: str | None, console: Console) -> None:
    """Say how to see the other loads of a load's run, where there are any."""
    if load.kind is LoadKind.LOAD and len(audit.loads_of_run(load.dag_id, load.run_id)) > 1:
        console.print(printable(f"All loads of its run: {show_run(load.dag_id, load.run_id, audit_conn_id)}"))


def _nothing(audit: SqlAudit, args: argparse.Namespace) -> str:
    """What there is none of, and what that may mean."""
    if args.load:
        return f"no load {args.load}: it was purged, or is in another database"
    if args.plans:
        return "no such plan"
    if not args.dag:
        planned = audit.latest_load(kind=LoadKind.PLAN)
        return "no load yet" + (", only plans: show --plans" if planned else "")
    run = f" in run {args.run}" if args.run else ""
    return (
        f"no load of Dag {args.dag}{run}: its partition task has not begun it, or failed before that, and its log says "
        "why; or the load was purged, or is in another database"
    )


def _writable(text: str, console: Console) -> str:
    """A text in the characters that the terminal's encoding has; any other, of a rule's name perhaps, is a ``?``."""
    return text.encode(console.encoding, "replace").decode(console.encoding)


def _rules(engine: Engine, args: argparse.Namespace, console: Console) -> int:
    from airflow_sf_dedup.hooks.rules_command import run

    if args.restore:
        os.environ.setdefault(_CONTEXT, _SERVER)
    return run(engine, args, console)


def _loads(audit: SqlAudit, args: argparse.Namespace) -> list[Load]:
    if args.load:
        load = audit.load(args.load)
        return [load] if load else []
    kind = LoadKind.PLAN if args.plans else LoadKind.LOAD
    if args.run and not args.dag:
        raise SettingError("show --run needs --dag: the runs of several Dags may have one name.", setting="dag")
    if args.run:
        return audit.loads_of_run(args.dag, args.run, kind=kind)
    latest = audit.latest_load(args.dag, kind=kind)
    return [latest] if latest else []


#: Those that look into an audit that is there.
_COMMANDS = {"purge": _purge, "erase": _erase, "show": _show, "differences": _differences}


def _run(args: argparse.Namespace, console: Console) -> int:
    """Only ``upgrade`` makes a file or a table."""
    if args.command == "upgrade":
        return _upgrade(engine_for(_url(args)), console)
    engine = engine_for(_url(args), create=False)
    ensure_current(engine)
    if args.command == "rules":
        return _rules(engine, args, console)
    return _COMMANDS[args.command](SqlAudit(engine), args, console)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and answer its exit code."""
    args = _parser().parse_args(argv)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    try:
        return _run(args, console)
    except (SettingError, AuditUnreachableError) as error:
        problem = str(error)
    except (DBAPIError, OSError) as error:
        problem = f"The audit's database: {first_line(getattr(error, 'orig', None) or error)}"
    _errors().print(printable(problem))
    return 2


if __name__ == "__main__":
    sys.exit(main())
