"""The report as an XCom, and as lines of a log."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from airflow_sf_dedup.core.printable import printable
from airflow_sf_dedup.journeys.rule_report.lines import Decided, RuleLine, RuleReport

#: Rules that an XCom names; the files have all.
MOST_RULES = 50

#: Characters of a line; wider than the table gets.
WIDTH = 240


def document_of(report: RuleReport) -> dict[str, Any]:
    """Counts and names; rows are named by load and number."""
    return {
        "since": report.period.since.isoformat(),
        "until": report.period.until.isoformat(),
        "org_id": report.period.org_id,
        "sobject": report.period.sobject,
        "loads": report.loads,
        "rules": [_rule(line) for line in report.rules[:MOST_RULES]],
        "more_rules": max(0, len(report.rules) - MOST_RULES),
        "matching_rules": None
        if report.matching_rules is None
        else [
            {"sobject": rule.sobject, "name": rule.name, "active": rule.active}
            for rule in report.matching_rules[:MOST_RULES]
        ],
    }


def _rule(line: RuleLine) -> dict[str, Any]:
    return {
        "sobject": line.sobject,
        "rule": line.rule,
        "matching_rules": list(line.matching_rules),
        "active": line.active,
        "blocked": line.blocked,
        "decided": {word.value: rows for word in Decided if (rows := line.decided.get(word, 0))},
        "median_confidence": line.median_confidence,
        "several_records": line.several,
        "other_sobject": line.elsewhere,
        "flags": [flag.name.lower() for flag in line.flags],
        "examples": [
            {"load_id": row.load_id, "row_number": row.row_number, "action": row.action, "record_id": row.record_id}
            for row in line.examples
        ],
    }


def lines_of(report: RuleReport) -> Iterable[str]:
    """A table, and a sentence for each rule that needs a look."""
    period = report.period
    yield f"Duplicate rules, {period.since:%Y-%m-%d} to {period.until:%Y-%m-%d} UTC, loads: {report.loads:,}"
    table = Table("sObject", "rule", "active", box=box.HEAVY_HEAD)
    for name in ("blocked", *(word.value for word in Decided), "median %", "several"):
        table.add_column(name, justify="right")
    for line in report.rules:
        counts = [f"{line.decided.get(word, 0):,}" for word in Decided]
        median = "" if line.median_confidence is None else f"{line.median_confidence:g}"
        table.add_row(
            printable(line.sobject),
            printable(line.rule),
            _yes(line.active),
            f"{line.blocked:,}",
            *counts,
            median,
            f"{line.several:,}",
        )
    drawn = Console(file=StringIO(), width=WIDTH, color_system=None, markup=False, highlight=False)
    drawn.print(table)
    yield from drawn.file.getvalue().splitlines()  # type: ignore[attr-defined]
    for line in report.rules:
        for flag in line.flags:
            yield f"{printable(line.rule)}: {flag.value}"


def _yes(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "?"}[value]
