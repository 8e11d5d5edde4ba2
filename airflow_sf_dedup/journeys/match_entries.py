"""What does the audit say of the records that a row met?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_sf_dedup.core.cautions import cautions
from airflow_sf_dedup.core.decisions import DuplicateCase, MatchedRecord
from airflow_sf_dedup.core.differences import Difference, field_states
from airflow_sf_dedup.core.entries import MatchEntry
from airflow_sf_dedup.core.outcomes import Match
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.values_kept import ValuesKept


@dataclass(frozen=True, slots=True)
class MatchEntries:
    """Makes the entries of matches.

    :ivar keeps: whether values of a field are kept.
    """

    keeps: ValuesKept

    def of(self, case: DuplicateCase, *, cautious: bool = False) -> tuple[MatchEntry, ...]:
        """One entry a match; a record that several rules name stands once a rule, one that is met by its key without.

        Merged-away records stand before the one that they have become.

        :param cautious: with what a person who decides should know of each.
        """
        records = (*case.matched, *case.gone_holders)
        return tuple(
            entry
            for record in records
            for entry in self._of_record(record, case, cautions(case, record) if cautious else ())
        )

    def _of_record(self, record: MatchedRecord, case: DuplicateCase, told: tuple[str, ...]) -> Iterator[MatchEntry]:
        for merged_away, into in record.merges:
            for match in _named(record, merged_away):
                yield replace(_as_entry(match), is_deleted=True, state=RecordState.MERGED_AWAY, leads_to=into)
        states = field_states(case.record.fields, record.values, case.described) if record.readable else None
        differences = None if states is None else self._differences(case.record, record, states)
        for match in _named(record, record.record_id):
            yield self._match(match, record, field_differences=differences, field_states=states, cautions=told)
        if (became := record.became) is not None:
            # No rule named it.
            unnamed = replace(became, matches=(Match(became.record_id, became.sobject),))
            yield from self._of_record(unnamed, case, cautions(case, unnamed) if told else ())

    def _match(self, match: Match, record: MatchedRecord, **compared: Any) -> MatchEntry:
        return replace(
            _as_entry(match),
            is_deleted=record.state.in_recycle_bin,
            key=record.key,
            state=record.state,
            deleted_at=record.deletion.at if record.deletion else None,
            deleted_by=record.deletion.by if record.deletion else None,
            leads_to=record.leads_to,
            **compared,
        )

    def _differences(
        self, row: Record, record: MatchedRecord, states: Mapping[str, Difference]
    ) -> dict[str, Any] | None:
        """Both values of the fields that the row carries, where they are not the same."""
        if self.keeps.are_none:
            return None
        differing = (name for name, state in states.items() if name in row.fields and state is not Difference.SAME)
        return {name: self.keeps.shown(name, row.fields[name], record.values[name]) for name in differing}


def _named(record: MatchedRecord, record_id: str) -> list[Match]:
    """How rules name an id; one that no rule names is named by its id alone."""
    found = [match for match in record.matches if match.record_id == record_id]
    return found or [Match(record_id, record.sobject)]


def _as_entry(match: Match) -> MatchEntry:
    """A match of which nothing was read."""
    return MatchEntry(
        record_id=match.record_id,
        sobject=match.sobject,
        duplicate_rule=match.duplicate_rule,
        matching_rule=match.matching_rule,
        engine=match.engine,
        confidence=match.confidence,
        allow_save=match.allow_save,
    )
