"""A load as a person reads it: the same lines in a terminal and in a task's log.

They hold counts and names, never a key or a value of a row, and nothing that a terminal obeys: rows may have been
written by an earlier version, or by hand.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from airflow_sf_dedup.audit.against_plan import AgainstPlan, against_plan
from airflow_sf_dedup.audit.base import (
    DOUBTFUL_BELOW,
    AuditReader,
    DoubtfulMatches,
    Load,
    LoadKind,
    SentAgain,
    Totals,
    WaitedForRules,
)
from airflow_sf_dedup.audit.changes import RevertTotals
from airflow_sf_dedup.audit.latest import counts_instead
from airflow_sf_dedup.core.entries import COUNTED_AS_FAILED, Action
from airflow_sf_dedup.core.printable import printable
from airflow_sf_dedup.core.reverts import RevertState
from airflow_sf_dedup.core.wording import counted, were

#: Rules that a report names.
MOST_RULES = 8

#: Characters of a name or a code; Airflow's ids have at most 250.
_CELL_LENGTH = 255

#: Characters. Wider than any table of these columns gets.
WIDTH = 240

#: What the partition task gives a row that it does not stage.
_NOT_STAGED = (Action.INVALID, Action.SUPERSEDED)

#: What a person looks up first, in this order.
_LOOKED_UP = (*sorted(COUNTED_AS_FAILED), Action.AWAITING_REVIEW)


@dataclass(frozen=True, slots=True)
class Report:
    """What is said of a load, or of one of its partitions."""

    load: Load
    totals: Totals
    sent_again: SentAgain | None = None
    #: Duplicate rule to the number of rows that it named records for, most first.
    rules: Mapping[str, int] = field(default_factory=dict)
    #: Caution to the number of waiting rows one of whose matches has it, most first.
    cautions: Mapping[str, int] = field(default_factory=dict)
    #: ``None``: of the whole load.
    partition: int | None = None
    #: Of a partition, the API calls that its task has made in this try.
    api_calls: int = 0
    doubtful: DoubtfulMatches | None = None
    waited: WaitedForRules | None = None
    #: Duplicate rule to the number of rows that were saved and that it reports, most first.
    reports: Mapping[str, int] = field(default_factory=dict)
    #: The load that counts instead, because the same task read its source again; ``None``: this one counts.
    counts_instead: str | None = None
    #: Of a whole load, oldest first.
    reverts: Sequence[RevertTotals] = ()
    #: Of a whole load that was given a plan.
    plan: AgainstPlan | None = None


def report_of(audit: AuditReader, load: Load, totals: Totals | None = None) -> Report:
    """The report of a whole load.

    :param totals: where they are counted already.
    """
    all_rows = audit.totals(load.load_id) if totals is None else totals
    newer = counts_instead(load, audit.loads_of_run(load.dag_id, load.run_id, kind=load.kind))
    return Report(
        # As it is now: its end, and its calls.
        audit.load(load.load_id) or load,
        all_rows,
        audit.sent_again(load.load_id),
        audit.rows_by_rule(load.load_id),
        audit.rows_by_caution(load.load_id),
        doubtful=audit.doubtful_matches(load.load_id),
        waited=audit.waited_for_rules(load.load_id),
        reports=audit.rows_by_report(load.load_id),
        counts_instead=newer.load_id if newer else None,
        reverts=audit.reverts(load.load_id),
        plan=against_plan(audit, load),
    )


def lines_of(report: Report, *, width: int = WIDTH, ascii_only: bool = False) -> list[str]:
    """Head, table, and what is worth a sentence.

    :param width: most characters of a line of the table; cells that are too long for it are folded.
    :param ascii_only: draw the table without box characters.
    """
    lines = [*_head(report), *_table(report.totals, width, ascii_only)]
    if report.sent_again and report.sent_again.rows:
        lines.append(_repeats(report.sent_again))
    if report.waited and report.waited.rows:
        lines.append(_waited(report.waited))
    if report.doubtful and report.doubtful.rows:
        lines.append(_doubtful(report.doubtful, report.totals))
    if report.rules:
        at_each = "; a row counts at each rule that named a record for it" if len(report.rules) > 1 else ""
        lines.append(f"blocked by {_rules(report.rules)}{at_each}")
    if report.reports:
        lines.append(f"saved although a duplicate rule reports them: {_rules(report.reports)}")
    if report.cautions:
        told = ", ".join(_of_rows(word, rows) for word, rows in report.cautions.items())
        lines.append(f"to look at among the rows that await a person: {told}")
    if report.plan:
        lines.append(printable(str(report.plan), WIDTH))
    return [*lines, *map(_revert, report.reverts)]


def next_steps(report: Report, audit_conn_id: str | None, file: Path | None = None) -> list[str]:
    """The command and the statement that lead from a load to its rows.

    :param file: the embedded audit, where there is no connection.
    """
    load_id, totals = report.load.load_id, report.totals
    place = f"connection {audit_conn_id}" if audit_conn_id else f"the embedded audit file {file or ''}".rstrip()
    lines = [f"Again: {_show(audit_conn_id, '--load', load_id)}"]
    actions = [action for action in _LOOKED_UP if totals.actions.get(action)]
    if actions:
        named = ", ".join(f"'{action}'" for action in actions)
        part = "" if report.partition is None else f" AND partition = {report.partition}"
        lines.append(
            f"Rows, in {place}: SELECT row_number, key, action, error_code, error_message, reason "
            f"FROM sf_dedup_entry WHERE load_id = '{load_id}'{part} AND action IN ({named}) ORDER BY row_number"
        )
    if report.plan and report.plan.compared.rows_otherwise:
        command = _command("differences", audit_conn_id, "--load", load_id)
        lines.append(f"Where it differs from its plan, row by row: {command}")
    return lines


def show_run(dag_id: str, run_id: str, audit_conn_id: str | None) -> str:
    """The command that shows all loads of a run."""
    return _show(audit_conn_id, "--dag", dag_id, "--run", run_id)


def _show(audit_conn_id: str | None, *what: str) -> str:
    return _command("show", audit_conn_id, *what)


def _command(name: str, audit_conn_id: str | None, *what: str) -> str:
    place = ("--audit-conn-id", audit_conn_id) if audit_conn_id else ()
    return shlex.join(("python", "-m", "airflow_sf_dedup.audit", name, *what, *place))


def what_was_read(staged: int, partitions: int, totals: Totals) -> str:
    """What the partition task made of its source, in one line.

    :param totals: of the load. Where rows are staged once more, as for a retry with ``records``, it counts those that
        an earlier try has sent as well; only the ``invalid`` and ``superseded`` ones are not staged.
    """
    reasons = sorted(totals.reasons.items(), key=lambda item: (-item[1], str(item[0])))
    away = [
        f"{rows:,} {action} ({reason or code})" for (action, code, reason), rows in reasons if action in _NOT_STAGED
    ]
    read = staged + sum(totals.actions.get(action, 0) for action in _NOT_STAGED)
    return f"{counted(read, 'rows')} read: " + ", ".join(
        [f"{staged:,} staged in {counted(partitions, 'partitions')}", *away]
    )


def _head(report: Report) -> list[str]:
    load, part = report.load, ""
    if report.partition is not None:
        part = f", partition {report.partition + 1} of {load.settings.get('partitions', '?')}"
    names = (load.load_id, load.sobject, load.external_id_field, load.org_id, load.dag_id, load.run_id)
    load_id, sobject, field_, org_id, dag_id, run_id = (printable(name, _CELL_LENGTH) for name in names)
    kind = "Plan" if load.kind is LoadKind.PLAN else "Load"
    head = [f"{kind} {load_id}{part}: {sobject} by {field_} into org {org_id}, {dag_id} {run_id}"]
    if load.kind is LoadKind.PLAN:
        head.append("Nothing was written: each row stands with what a load would do with it")
    if report.partition is not None:
        head.append(f"entries {report.totals.rows:,}, API calls of this try {report.api_calls:,}")
    else:
        read = "unknown" if load.rows_read is None else f"{load.rows_read:,}"
        head.append(f"rows read {read}, entries {report.totals.rows:,}, {_calls(load)}")
        head.append(_times(report))
    if report.counts_instead:
        head.append(f"It counts no more: its task ran again, and load {report.counts_instead} counts")
    return head


def _calls(load: Load) -> str:
    """What it cost; the calls that a plan predicts are those of the load."""
    predicted = load.predicted_calls
    if load.kind is LoadKind.PLAN:
        later = "" if predicted is None else f", of the load about {predicted:,}"
        return f"API calls of the plan {load.api_calls:,}{later}"
    return f"API calls {load.api_calls:,}" + ("" if predicted is None else f" ({predicted:,} predicted)")


def _times(report: Report) -> str:
    """When the load began and ended; of one that is still going, what is to come."""
    load = report.load
    began = f"began {load.started_at:%Y-%m-%d %H:%M:%S} UTC"
    if load.ended_at is not None:
        return f"{began}, ended {load.ended_at:%Y-%m-%d %H:%M:%S} UTC"
    if load.rows_read is None:
        return f"{began}, not ended: its source is not read to the end"
    missing = load.rows_read - report.totals.rows
    if not missing:
        return f"{began}, not ended, each row has its entry"
    return f"{began}, not ended: {counted(missing, 'rows')} {'has' if missing == 1 else 'have'} no entry yet"


def _table(totals: Totals, width: int, ascii_only: bool) -> list[str]:
    if not totals.rows:
        return []
    table = Table("action", "error code", "reason", box=box.ASCII if ascii_only else box.HEAVY_HEAD)
    table.add_column("rows", justify="right")
    explained = {
        (action.value, code or "", reason or ""): rows for (action, code, reason), rows in totals.reasons.items()
    }
    for action, rows in totals.actions.items():
        plain = rows - sum(count for (name, *_), count in explained.items() if name == action.value)
        if plain:
            explained[action.value, "", ""] = plain
    for cells, rows in sorted(explained.items()):
        table.add_row(*(printable(cell, _CELL_LENGTH) for cell in cells), f"{rows:,}")
    drawn = Console(file=StringIO(), width=width, color_system=None, markup=False, highlight=False)
    drawn.print(table)
    return drawn.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


def _repeats(again: SentAgain) -> str:
    return (
        f"{counted(again.rows, 'rows')} {were(again.rows)} sent more than once: "
        f"at most {counted(again.most_attempts, 'times')}, over {again.longest_wait_seconds:.1f} s"
    )


def _waited(waited: WaitedForRules) -> str:
    return (
        f"{counted(waited.rows, 'rows')} waited for duplicate rules that were switched off: "
        f"at most {counted(waited.most_times, 'times')}, over {waited.longest_seconds:.0f} s"
    )


def _doubtful(doubtful: DoubtfulMatches, totals: Totals) -> str:
    updated = totals.actions.get(Action.MATCHED_UPDATED, 0)
    return (
        f"matched_updated {updated:,}, of which {doubtful.rows:,} by a match below {DOUBTFUL_BELOW:g} %, "
        f"lowest {doubtful.lowest:.1f} %; update_existing(min_confidence={DOUBTFUL_BELOW:g}) leaves such rows to the "
        "next policy"
    )


def _revert(revert: RevertTotals) -> str:
    back, left = revert.count(RevertState.REVERTED), revert.count(RevertState.LEFT)
    open_ = revert.count(RevertState.ANNOUNCED)
    untold = f", {open_:,} in a call without an answer" if open_ else ""
    ended = "" if revert.ended_at else ", not ended"
    return (
        f"reverted {revert.started_at:%Y-%m-%d %H:%M:%S} UTC by {printable(revert.task, _CELL_LENGTH)}{ended}: "
        f"{counted(back, 'fields')} put back, {left:,} left as they are{untold}"
    )


def _of_rows(name: str, rows: int) -> str:
    return f"{printable(name, _CELL_LENGTH)} ({counted(rows, 'rows')})"


def _rules(rules: Mapping[str, int]) -> str:
    named = [_of_rows(rule, rows) for rule, rows in list(rules.items())[:MOST_RULES]]
    more = len(rules) - len(named)
    return ", ".join(named) + (f" and {more} further rule{'s' if more > 1 else ''}" if more else "")
