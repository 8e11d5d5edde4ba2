"""Is the load whole, and is it good? The audit table answers, not what tasks say of themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from airflow_sf_dedup.audit.base import NOTES_BEGINNINGS, Audit, Load, Totals
from airflow_sf_dedup.core.entries import COUNTED_AS_FAILED, ERASED, Action, Entry
from airflow_sf_dedup.core.numeric_settings import OF_OPERATORS
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.shortfall import fall_short, shortfall
from airflow_sf_dedup.core.wording import counted, listed, were
from airflow_sf_dedup.errors import StagingError
from airflow_sf_dedup.journeys.entry_maker import TRIES_USED_UP
from airflow_sf_dedup.journeys.summary import MOST_REASONS, fitting, reasons_of

T = TypeVar("T")

#: Why a row was not sent although nothing interrupted the load: an earlier row of its key failed.
BEHIND_A_FAILED_ROW = "earlier_row_not_settled"

#: Why a row is ``unknown`` of which only its number is left.
STAGED_ROW_UNREADABLE = "staged_row_unreadable"

#: Why a row was not sent: its task ended before its first call, or never ran.
NOT_BEGUN = "not_begun"

#: What is said of rows without an entry: action, message and reason.
_UNKNOWN = (Action.UNKNOWN, "the task that had the row ended without saying what became of it", "task_ended_early")
_NOT_BEGUN = (Action.NOT_SENT, "no task began to send the row", NOT_BEGUN)

#: Entries of rows without one that are written at a time.
ENTRIES_TOGETHER = 1000

#: Complaints that a message holds.
MOST_COMPLAINTS = 3

#: Reasons that a complaint names.
MOST_WHY = 3

#: Fields that one of them names.
MOST_FIELDS = 3

#: Rows awaiting a person, or held behind such a row, from which on a green load warns; and percent of all its rows
#: from which on a small one does.
MANY_WAITING = 1000
MANY_WAITING_PCT = 10.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on a load is red. ``None``: never for that reason.

    :raises SettingError: one is no number that it may be.
    """

    #: Rows that are failed, invalid, unknown or not sent.
    max_failed: int | None = 0
    #: The same in percent of all rows, 0 to 100.
    max_failed_pct: float | None = None
    #: Rows that await a person.
    max_awaiting_review: int | None = None
    #: The same in percent of all rows, 0 to 100.
    max_awaiting_review_pct: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, OF_OPERATORS[field.name].read(getattr(self, field.name)))


def failed_rows(totals: Totals) -> int:
    """What ``max_failed`` counts."""
    return sum(shortfall(totals.actions).values())


def may_still_be_sent(totals: Totals) -> Totals:
    """The rows that a repeat of the task may bring in: unknown, not sent, or failed for a reason that passes.

    Rows behind a failed row of their key are not counted, they go with it; nor are erased ones, which are not staged
    any more.
    """
    reasons = {key: rows for key, rows in totals.reasons.items() if _may_pass(key[0], key[2])}
    return Totals(_summed({action: rows} for (action, _, _), rows in reasons.items()), reasons, totals.fields)


def _may_pass(action: Action, reason: str | None) -> bool:
    if action is Action.FAILED:
        return reason == TRIES_USED_UP
    return action in (Action.UNKNOWN, Action.NOT_SENT) and reason not in (BEHIND_A_FAILED_ROW, ERASED)


def complaints(load: Load, totals: Totals, thresholds: Thresholds, *, unreadable: Sequence[str] = ()) -> list[str]:
    """Why the load is red, a sentence each; none: it is green.

    :param unreadable: why staged rows could not be read.
    """
    return [
        *(unreadable or _unreadable_before(totals)),
        *_conservation(load, totals),
        *_too_many_failed(totals, thresholds),
        *too_many_waiting(totals, thresholds),
    ]


def _unreadable_before(totals: Totals) -> Iterator[str]:
    """What was told when the load was judged first: no threshold allows for it, however often it is judged."""
    rows = sum(count for (_, _, reason), count in totals.reasons.items() if reason == STAGED_ROW_UNREADABLE)
    if rows:
        yield f"what was staged of {counted(rows, 'rows')} could not be read, and nobody can say what became of them"


def _conservation(load: Load, totals: Totals) -> Iterator[str]:
    if load.rows_read is None:
        yield "the source was not read to its end"
    elif totals.rows < load.rows_read:
        yield f"{load.rows_read - totals.rows:,} of {counted(load.rows_read, 'rows')} have no entry in the audit"
    elif totals.rows > load.rows_read:
        yield f"the audit has {counted(totals.rows, 'rows')}, but only {load.rows_read:,} {were(load.rows_read)} read"


def _too_many_failed(totals: Totals, thresholds: Thresholds) -> Iterator[str]:
    failed = failed_rows(totals)
    exceeded = _exceeded(failed, totals, ("max_failed", "max_failed_pct"), thresholds)
    if exceeded:
        yield f"{fall_short(totals.actions, totals.rows)} ({exceeded}): {why_failed(totals)}"


def too_many_waiting(totals: Totals, thresholds: Thresholds) -> list[str]:
    """What is said where more rows await a person than may."""
    waiting = totals.actions.get(Action.AWAITING_REVIEW, 0)
    exceeded = _exceeded(waiting, totals, ("max_awaiting_review", "max_awaiting_review_pct"), thresholds)
    return [f"{waiting:,} of {counted(totals.rows, 'rows')} await a person ({exceeded})"] if exceeded else []


def _exceeded(rows: int, totals: Totals, names: tuple[str, str], thresholds: Thresholds) -> str:
    """The settings that so many rows exceed, with their values; blank: none."""
    most, most_pct = (getattr(thresholds, name) for name in names)
    found = []
    if most is not None and rows > most:
        found.append(f"{names[0]}={most}")
    if most_pct is not None and _percent(rows, totals) > most_pct:
        found.append(f"{names[1]}={most_pct:g}, it is {_percent(rows, totals):.2f} %")
    return "; ".join(found)


def _percent(rows: int, totals: Totals) -> float:
    return 100 * rows / totals.rows if totals.rows else 0.0


def warnings_of(totals: Totals) -> list[str]:
    """What a person should know of a load that is green all the same, a sentence each."""
    return [*_failed_though_green(totals), *_many_waiting(totals)]


def _failed_though_green(totals: Totals) -> Iterator[str]:
    failed = failed_rows(totals)
    if failed:
        yield (
            f"green, but {failed:,} of {counted(totals.rows, 'rows')} are not known to be in the org: "
            f"{why_failed(totals)}; the statement after 'Rows' finds them, a lower max_failed or max_failed_pct turns "
            "such a load red"
        )


def _many_waiting(totals: Totals) -> Iterator[str]:
    awaiting, held = (totals.actions.get(action, 0) for action in (Action.AWAITING_REVIEW, Action.HELD))
    waiting = awaiting + held
    if waiting >= MANY_WAITING or _percent(waiting, totals) >= MANY_WAITING_PCT:
        behind = f", {held:,} more are held behind earlier rows of their keys" if held else ""
        yield (
            f"green, but {awaiting:,} of {counted(totals.rows, 'rows')} await a person{behind}; "
            "max_awaiting_review or max_awaiting_review_pct turns such a load red"
        )


def in_short(complaints: Sequence[str], go_on: str = "") -> str:
    """The complaints as one short message, and then what to do about them; the log before it has them all."""
    more = len(complaints) - MOST_COMPLAINTS
    short = "; ".join(complaints[:MOST_COMPLAINTS]) + (f"; and {more} more: see the log" if more > 0 else "")
    return f"{short}. {go_on}" if go_on else short


def why_failed(totals: Totals) -> str:
    """The commonest reasons of the rows that ``max_failed`` counts."""
    failed = Totals(totals.actions, {key: rows for key, rows in totals.reasons.items() if key[0] in COUNTED_AS_FAILED})
    named = reasons_of(failed, MOST_WHY)
    parts = [f"{each['rows']:,} {each['action']} {_in_words(each, totals)}".strip() for each in named]
    more = len(failed.reasons) - len(parts)
    return ", ".join(parts) + (f" and {more} further reason{'s' if more > 1 else ''}" if more > 0 else "")


def failed_codes(totals: Totals) -> Counter[str]:
    """Error codes of the rows that ``max_failed`` counts, and how many rows have each."""
    return _summed(
        {code: rows} for (action, code, _), rows in totals.reasons.items() if code and action in COUNTED_AS_FAILED
    )


def _fields(totals: Totals, said: Mapping[str, Any]) -> str:
    """The fields that most rows of a reason are about."""
    counts = totals.fields.get((said["action"], said["code"], said["reason"]), {})
    return listed(sorted(counts, key=lambda name: (-counts[name], name)), most=MOST_FIELDS)


def _in_words(said: Mapping[str, Any], totals: Totals) -> str:
    """``UNABLE_TO_LOCK_ROW (tries_used_up)``, ``REQUIRED_FIELD_MISSING (Company)``."""
    code, reason = said["code"], said["reason"]
    more = ": ".join(filter(None, [reason if code else None, _fields(totals, said)]))
    word = code or reason or ""
    return f"{word} ({more})" if more else word


def account_for_missing_rows(
    audit: Audit,
    load: Load,
    staged: Iterable[tuple[PartitionRef, Iterable[Record]]],
    clock: Callable[[], datetime],
) -> list[str]:
    """Give every row without an entry one; answers why staged rows could not be read, where so.

    A task that was killed leaves rows of which nobody knows whether their call went through: they are ``unknown``.
    Those of a partition that no task began to send are ``not_sent``. Of rows whose staged partition cannot be read the
    entries have no key: their numbers alone are known, for rows are numbered through.
    """
    unreadable: dict[int, str] = {}
    begun = begun_partitions(audit, load)
    for ref, records in staged:
        said = _UNKNOWN if begun is None or ref.partition in begun else _NOT_BEGUN
        try:
            _remember_missing(audit, load, ref, records, clock, said)
        except StagingError as error:
            unreadable[ref.partition] = str(error)
    # Without the list of partitions, all of them.
    suspected = begun if begun is None or not unreadable else begun & unreadable.keys()
    action = Action.NOT_SENT if suspected == frozenset() else Action.UNKNOWN
    gaps = audit.rows_without_entry(load.load_id, load.rows_read or 0)
    while some := list(islice(gaps, ENTRIES_TOGETHER)):
        audit.remember(load.load_id, [_unreadable(number, action, clock()) for number in some])
    return list(unreadable.values())


def _remember_missing(
    audit: Audit,
    load: Load,
    ref: PartitionRef,
    records: Iterable[Record],
    clock: Callable[[], datetime],
    said: tuple[Action, str, str],
) -> None:
    known = {entry.row_number for entry in audit.entries(load.load_id, partition=ref.partition, page_size=5000)}
    missing = (_missing(record, ref, clock(), said) for record in records if record.row_number not in known)
    while some := list(islice(missing, ENTRIES_TOGETHER)):
        audit.remember(load.load_id, some)


def begun_partitions(audit: Audit, load: Load) -> frozenset[int] | None:
    """The partitions of which rows may be in the org; ``None``: nobody knows, any of them."""
    if not load.settings.get(NOTES_BEGINNINGS):
        return None
    begun = audit.begun_partitions(load.load_id)
    return None if -1 in begun else begun


def _missing(record: Record, ref: PartitionRef, at: datetime, said: tuple[Action, str, str]) -> Entry:
    action, message, reason = said
    return Entry(
        row_number=record.row_number,
        action=action,
        at=at,
        key=record.key,
        row_hash=record.row_hash,
        error_code="NO_ENTRY",
        error_message=message,
        reason=reason,
        partition=ref.partition,
    )


def _unreadable(row_number: int, action: Action, at: datetime) -> Entry:
    return Entry(
        row_number=row_number,
        action=action,
        at=at,
        error_code="NO_ENTRY",
        error_message="the task that had the row did not say what became of it, and what was staged cannot be read",
        reason=STAGED_ROW_UNREADABLE,
    )


def join(summaries: Sequence[Mapping[str, Any]], loads: Sequence[Load]) -> dict[str, Any]:
    """One document for a run: its only load's, or the sum of several, at least one.

    There may be more loads than a document can name, so the sum of several leads to them by their run.
    """
    first = summaries[0]
    if len(summaries) == 1:
        return dict(first)
    run = {
        "dag_id": loads[0].dag_id,
        "run_id": loads[0].run_id,
        "task_ids": sorted({load.task_id for load in loads}),
    }
    document = {
        # Each load has its own plan.
        **{name: value for name, value in first.items() if name != "plan"},
        "load_id": None,
        "rows": sum(summary["rows"] for summary in summaries),
        "actions": dict(sorted(_summed(summary["actions"] for summary in summaries).items())),
        "api_calls": sum(summary["api_calls"] for summary in summaries),
        "predicted_calls": sum(summary["predicted_calls"] or 0 for summary in summaries),
        "reasons": _joined_reasons(summaries),
        "audit": {**first["audit"], "load_id": None, "run": run},
    }
    return fitting(document, (item for summary in summaries for item in summary["sample"]))


def _summed(counts: Iterable[Mapping[T, int]]) -> Counter[T]:
    total: Counter[T] = Counter()
    for each in counts:
        total.update(each)
    return total


def _joined_reasons(summaries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    rows = _summed(
        {(reason["action"], reason["code"], reason["reason"]): reason["rows"]}
        for summary in summaries
        for reason in summary["reasons"]
    )
    return [
        {"action": action, "code": code, "reason": reason, "rows": count}
        for (action, code, reason), count in rows.most_common(MOST_REASONS)
    ]
