"""What a revert did, for people and for the tasks after it. Counts, ids and names of fields, never a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from io import StringIO
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from airflow_sf_dedup.audit.report import WIDTH
from airflow_sf_dedup.core.printable import printable
from airflow_sf_dedup.core.reverts import PASSES
from airflow_sf_dedup.core.wording import counted, were
from airflow_sf_dedup.errors import LoadFailedError
from airflow_sf_dedup.journeys.reverting.ledger import Reverted


def document_of(done: Reverted, load_ids: Sequence[str], api_calls: int) -> dict[str, Any]:
    """For an XCom."""
    return {
        "load_ids": list(load_ids),
        "reverted": done.reverted,
        "records": len(done.records),
        "deleted": len(done.deleted),
        "reverted_before": done.before,
        "left": {why.value: count for why, count in done.left.most_common()},
        "examples": [{**asdict(each), "reason": each.reason.value} for each in done.examples],
        "api_calls": api_calls,
    }


def lines_of(done: Reverted) -> list[str]:
    """For a log: what was taken back, and a table of what was left."""
    head = f"{counted(done.reverted, 'fields')} of {counted(len(done.records), 'records')} put back"
    head += f", {counted(len(done.deleted), 'records')} put into the recycle bin" if done.deleted else ""
    before = f", {done.before:,} put back earlier" if done.before else ""
    left = done.left.total()
    lines = [f"{head}{before}, {left:,} left as they are"]
    if left:
        lines += [f"left: {why.value} {count:,}" for why, count in done.left.most_common()]
        lines += _table(done)
    if left > len(done.examples):
        lines.append(f"the other {left - len(done.examples):,} are in sf_dedup_reverted")
    return lines


def check_done(done: Reverted) -> None:
    """Fail where something passes by itself: a retry goes on with it.

    :raises LoadFailedError: names the reasons.
    """
    passing = {why: count for why, count in done.left.items() if why in PASSES}
    if passing:
        told = ", ".join(f"{count:,} {why.value}" for why, count in passing.items())
        rows = sum(passing.values())
        raise LoadFailedError(f"{counted(rows, 'changes')} {were(rows)} not taken back for now: {told}")


def _table(done: Reverted) -> list[str]:
    table = Table("row", "record", "field", "left, because", "error code", box=box.HEAVY_HEAD)
    for each in done.examples:
        cells = (each.record_id, each.field, each.reason.value, each.error_code or "")
        table.add_row(f"{each.row_number:,}", *(printable(cell, 255) for cell in cells))
    drawn = Console(file=StringIO(), width=WIDTH, color_system=None, markup=False, highlight=False)
    drawn.print(table)
    return drawn.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]
