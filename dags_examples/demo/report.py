"""What a person gets to see, and the one line for a program."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dags_examples.demo.people import Held, Morning
from dags_examples.demo.run import Run
from dags_examples.demo.truth import Score

#: Names in the JSON line that are no actions.
ABOUT_THE_RUN = ("rows", "lost", "api_calls", "row_by_row_api_calls", "seconds", "duplicates", "audit")
#: Named in the JSON line also when they did not occur.
_ALWAYS = ("created", "updated", "matched_updated", "awaiting_review", "failed")
_AGAIN = ".venv/bin/python -m dags_examples.demo --runs 2"
#: What each action means, for those a morning load can end in.
_MEANS = {
    "created": "new in the org",
    "updated": "found by its key",
    "matched_updated": "blocked; the record that blocked it is updated and carries the key now",
    "awaiting_review": "blocked; a person decides",
    "failed": "refused for another reason",
}
_WHY = {
    "several_matches": "several records match",
    "match_is_another_sobject": "it is a Contact",
    "match_carries_another_key": "it carries another key",
    "match_claimed": "another row of this load took it",
}
_EXAMPLES = {"same_email": 2, "fuzzy_name": 3, "as_contact": 1, "held_twice": 1, "under_another_key": 1, "two_keys": 2}


def introduction(number: int, morning: Morning, held: Mapping[str, Held], url: str, keyed: int) -> str:
    """What is about to happen."""
    if number > 1:
        return f"\n[bold]Run {number}[/]: the same file again. The org holds {keyed:,} of its keys by now."
    known = len({row for each in held.values() for row in each.rows})
    return (
        f"[bold]{len(morning.leads):,} leads[/] go into an emulated org at {url}, which holds "
        f"[bold]{known:,}[/] of them already, without our key."
    )


def blocked(run: Run) -> int:
    """Rows that a duplicate rule refused: those that were traced to a record."""
    return len({match["row_number"] for match in run.traced})


def row_by_row(run: Run) -> int:
    """API calls of a client that upserts row by row, and settles each blocked row by one call more."""
    return run.rows + blocked(run)


def json_line(run: Run, score: Score, folder: Path) -> str:
    """The run in one line; README says what each name means."""
    others = {name: rows for name, rows in sorted(run.actions.items()) if name not in _ALWAYS}
    document: dict[str, Any] = {
        "rows": run.rows,
        **{name: run.actions.get(name, 0) for name in _ALWAYS},
        **others,
        "lost": run.lost,
        "api_calls": run.api_calls,
        "row_by_row_api_calls": row_by_row(run),
        "seconds": round(run.seconds, 1),
        "duplicates": {
            "blocked_rows": blocked(run),
            "true_pairs": score.true,
            "traced_pairs": score.traced,
            "precision": round(score.precision, 4),
            "recall": round(score.recall, 4),
        },
        "audit": {"database": str(folder / "audit.db"), "load_id": run.load_id},
    }
    return json.dumps(document)


def show(console: Console, run: Run, score: Score, *, morning: Morning, held: Mapping[str, Held], folder: Path) -> None:
    """Tables, costs, and where to look further."""
    console.print(_actions(run))
    if run.traced:
        console.print(_duplicates(run, morning, held))
    console.print(
        f"\n[bold]API calls[/]     {run.api_calls:,}, counted by the org. A client that goes row by row makes "
        f"{row_by_row(run):,}:\n"
        f"              one for each of the {run.rows:,} rows, one more for each of the {blocked(run):,} blocked ones."
    )
    console.print(
        f"[bold]True matches[/]  precision {score.precision:.1%}: {score.right:,} of {score.traced:,} traced matches "
        f"are the same person.\n"
        f"              recall {score.recall:.1%}: {score.right:,} of {score.true:,} true ones were traced."
    )
    console.print(_where(run, folder))


def _actions(run: Run) -> Table:
    took = f"The Dag run took {run.seconds:.1f} s, the load {run.load_seconds:.1f} s of it"
    table = Table(title=f"{run.rows:,} rows, {run.lost} lost. {took}", title_justify="left")
    table.add_column("action")
    table.add_column("rows", justify="right")
    table.add_column("what it means")
    for action, rows in sorted(run.actions.items(), key=lambda item: -item[1]):
        table.add_row(action, f"{rows:,}", _MEANS.get(action, ""))
    return table


def _duplicates(run: Run, morning: Morning, held: Mapping[str, Held]) -> Table:
    table = Table(title="Some blocked rows, and what blocked them", title_justify="left")
    table.add_column("row", justify="right")
    table.add_column("key", no_wrap=True)
    table.add_column("in the file")
    table.add_column("matched")
    table.add_column("rule", overflow="fold")
    table.add_column("%", justify="right")
    table.add_column("action")
    for match in _examples(run, morning):
        incoming, record = morning.leads[match["row_number"] - 1], held.get(match["record_id"])
        why = _WHY.get(match["reason"] or "", match["reason"])
        table.add_row(
            str(match["row_number"]),
            match["key"],
            _person(incoming),
            f"{match['sobject']} {_person(record.fields)}" if record else match["record_id"],
            match["duplicate_rule"],
            f"{match['confidence']:.0f}" if match["confidence"] is not None else "",
            f"{match['action']}: {why}" if why else match["action"],
        )
    return table


def _examples(run: Run, morning: Morning) -> Iterator[dict[str, Any]]:
    """A few traced rows of each kind, all matches of each."""
    rows: dict[str, list[int]] = {kind: [] for kind in _EXAMPLES}
    for match in run.traced:
        kind = morning.kinds.get(match["row_number"], "")
        seen = rows.get(kind)
        if seen is not None and match["row_number"] not in seen and len(seen) < _EXAMPLES[kind]:
            seen.append(match["row_number"])
    chosen = [row for some in rows.values() for row in some]
    for row in chosen:
        yield from (match for match in run.traced if match["row_number"] == row)


def _person(fields: Mapping[str, Any]) -> str:
    name = f"{fields.get('FirstName', '')} {fields['LastName']}".strip()
    return f"{name}, {fields['Company']}" if "Company" in fields else name


def _where(run: Run, folder: Path) -> str:
    return f"""
[bold]Audit[/]         {folder / "audit.db"} (SQLite), load {run.load_id}
[bold]Report[/]        {folder / "awaiting_review.csv"}, written by the Dag with duplicate_entries()
[bold]Airflow's log[/] {folder / "airflow.log"}

Ask the audit with any SQL client:

  SELECT action, reason, count(*) FROM sf_dedup_entry
  WHERE load_id = '{run.load_id}' GROUP BY 1, 2 ORDER BY 3 DESC;

  SELECT e.row_number, e.key, m.record_id, m.sobject, m.duplicate_rule, m.confidence
  FROM sf_dedup_entry e JOIN sf_dedup_match m USING (load_id, row_number)
  WHERE load_id = '{run.load_id}' AND e.action = 'awaiting_review' ORDER BY 1;

Load the same file twice: {_AGAIN}
"""
