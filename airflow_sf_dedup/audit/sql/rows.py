"""Entries as rows of the tables, and back. Pure; the same plain values suit both databases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import RowMapping

from airflow_sf_dedup.audit.base import Load, LoadKind
from airflow_sf_dedup.core.entries import UNSETTLED, Action, Entry, MatchEntry
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.core.rule_reports import RuleReport
from airflow_sf_dedup.core.rule_waits import RuleWait
from airflow_sf_dedup.database.columns import utc_text
from airflow_sf_dedup.database.storable import (
    json_text,
    storable,
    stored_key,
    stored_message,
    stored_word,
)

#: The event by which a task says that it begins to send a partition.
BEGUN = "begun"

Row = tuple[Any, ...]


def first_decisions(entries: Iterable[Entry]) -> dict[int, Entry]:
    """One entry a row, by row number: the first settled one, or else the last that may replace those before it."""
    decided: dict[int, Entry] = {}
    for entry in entries:
        known = decided.get(entry.row_number)
        if known is None or may_be_replaced(known.action, entry):
            decided[entry.row_number] = entry
    return {number: decided[number] for number in sorted(decided)}


def may_be_replaced(action: Action, entry: Entry) -> bool:
    """Whether an entry of that action makes room: that a row was not sent again says nothing of why it failed.

    One that waits for a rule was sent again, and refused for another reason.
    """
    is_unsent = entry.action is Action.NOT_SENT and entry.rule_wait is None
    return action in UNSETTLED and not (action is Action.FAILED and is_unsent)


def entry_row(load_id: str, entry: Entry) -> Row:
    """The columns of ``sf_dedup_entry``, in the table's order."""
    return (
        load_id,
        entry.row_number,
        stored_key(entry.key),
        stored_word(entry.row_hash),
        entry.action.value,
        stored_word(entry.record_id),
        stored_word(entry.error_code),
        stored_message(entry.error_message),
        stored_word(entry.reason),
        entry.partition,
        entry.map_index,
        entry.try_number,
        utc_text(entry.at),
        entry.attempts,
        entry.waited_seconds,
        stored_word(",".join(entry.error_fields) or None),
        entry.twin_group,
    )


def match_rows(load_id: str, entry: Entry) -> Iterator[Row]:
    """The columns of ``sf_dedup_match``, one row a match, in the table's order."""
    for position, match in enumerate(entry.matches):
        yield (
            load_id,
            entry.row_number,
            position,
            stored_word(match.record_id),
            stored_word(match.sobject),
            stored_word(match.duplicate_rule),
            stored_word(match.matching_rule),
            stored_word(match.engine),
            match.confidence,
            match.allow_save,
            match.is_deleted,
            stored_key(match.key),
            *(None if each is None else json_text(each) for each in (match.field_differences, match.field_states)),
            stored_word(",".join(match.cautions) or None),
            match.state and match.state.value,
            match.deleted_at and utc_text(match.deleted_at),
            stored_word(match.deleted_by),
            stored_word(match.leads_to),
        )


def payload_rows(load_id: str, entry: Entry) -> Iterator[Row]:
    """The row of ``sf_dedup_payload``, where values are kept."""
    if entry.values is not None:
        yield (load_id, entry.row_number, json_text(entry.values))


def rule_wait_rows(load_id: str, entry: Entry) -> Iterator[Row]:
    """The row of ``sf_dedup_rule_wait``, where the entry says that its row waited."""
    if (wait := entry.rule_wait) is not None:
        yield (load_id, entry.row_number, wait.times, utc_text(wait.since), utc_text(wait.until))


def rule_wait_from(row: RowMapping) -> RuleWait:
    """The waits of a row from their line."""
    return RuleWait(row["times"], row["waiting_since"], row["due_at"])


def rule_report_row(load_id: str, row_number: int, report: RuleReport) -> Row:
    """The columns of ``sf_dedup_rule_report``, in the table's order."""
    return (
        load_id,
        row_number,
        report.record_set_id,
        report.duplicate_rule,
        report.reported_at and utc_text(report.reported_at),
        report.records,
        ",".join(report.others) or None,
    )


def rule_report_from(row: RowMapping) -> RuleReport:
    """A report from its line."""
    others = words_in(row["other_ids"])
    return RuleReport(row["record_set_id"], row["duplicate_rule"], row["reported_at"], row["records"], others)


def entry_from(
    row: RowMapping,
    matches: Sequence[MatchEntry],
    values: Mapping[str, Any] | None,
    rule_wait: RuleWait | None = None,
    reports: Sequence[RuleReport] = (),
) -> Entry:
    """An entry from its row, its matches, its kept values, its waits and what rules report of it."""
    fields = {name: value for name, value in row.items() if name != "load_id"}
    fields["action"] = Action(fields["action"])
    fields["error_fields"] = words_in(fields["error_fields"])
    return Entry(**fields, matches=tuple(matches), values=values, rule_wait=rule_wait, reports=tuple(reports))


def words_in(text: str | None) -> tuple[str, ...]:
    """The words of a column that has commas between them."""
    return tuple(text.split(",")) if text else ()


def match_from(row: RowMapping) -> MatchEntry:
    """A match from its row."""
    fields = {name: row[name] for name in row if name not in ("load_id", "row_number", "position")}
    fields["cautions"] = words_in(fields["cautions"])
    fields["state"] = RecordState(fields["state"]) if fields["state"] else None
    return MatchEntry(**fields)


def load_row(load: Load) -> dict[str, Any]:
    """The columns of ``sf_dedup_load``."""
    return {name: load_value(name, value) for name, value in asdict(load).items()}


def load_from(row: RowMapping) -> Load:
    """A load from its row."""
    return Load(**{**row, "kind": LoadKind(row["kind"])})


def load_value(name: str, value: Any) -> Any:
    """One column of ``sf_dedup_load``."""
    if isinstance(value, LoadKind):
        return value.value
    if name == "settings":
        return storable(value)
    return stored_message(value) if isinstance(value, str) else value
