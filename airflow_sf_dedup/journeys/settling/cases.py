"""What is known of a blocked row: the matched records and the holders of its key, read in bulk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.core.decisions import DuplicateCase, MatchedRecord
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.outcomes import Match
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.journeys.settling.blocked import Blocked
from airflow_sf_dedup.journeys.settling.others import OtherMatches
from airflow_sf_dedup.salesforce.ports import RecordReader, StoredRecord


@dataclass(frozen=True)
class Cases:
    """Reads cases; it writes nothing.

    :ivar sobject: with the fields of the load.
    :ivar described: with all that the user sees.
    :ivar others: reads matches of other sObjects.
    """

    reader: RecordReader
    sobject: SObject
    described: SObject
    key_rule: KeyRule
    others: OtherMatches

    def read(self, blocked: Sequence[Blocked]) -> list[DuplicateCase]:
        """A case for each row: two reads for all of them, and one for each other sObject that matches.

        :raises CallError: the org does not answer.
        """
        if not blocked:
            return []
        holders = self.reader.holders([row.record.key for row in blocked])
        stored = self.reader.by_id(self.sobject.name, self._own_matches(blocked), self._fields_to_read())
        stored |= self.others.read(m for row in blocked for m in row.found.matches or () if not self._is_own(m))
        return [self._case(row, holders.get(row.record.key, ()), stored) for row in blocked]

    def _own_matches(self, blocked: Iterable[Blocked]) -> list[str]:
        ids = (m.record_id for row in blocked for m in row.found.matches or () if self._is_own(m))
        return list(dict.fromkeys(ids))

    def _is_own(self, match: Match) -> bool:
        return match.sobject.lower() == self.sobject.name.lower()

    def _fields_to_read(self) -> list[str]:
        return list(dict.fromkeys(["Id", *(field.name for field in self.sobject.fields)]))

    def _case(self, row: Blocked, holders: tuple[str, ...], stored: Mapping[str, StoredRecord]) -> DuplicateCase:
        by_id: dict[str, list[Match]] = defaultdict(list)
        for match in row.found.matches or ():
            by_id[match.record_id].append(match)
        return DuplicateCase(
            record=row.record,
            sobject=self.sobject.name,
            external_id_field=self.key_rule.field.name,
            matched=tuple(
                self._matched(tuple(matches), stored.get(record_id), row.record) for record_id, matches in by_id.items()
            ),
            key_holders=holders,
            allow_save=row.found.allow_save,
            all_named=row.found.all_named,
            why_unnamed=row.found.why_unnamed,
            rules=row.found.rules,
            described=self.described,
        )

    def _matched(self, matches: tuple[Match, ...], stored: StoredRecord | None, row: Record) -> MatchedRecord:
        if stored is None:
            return MatchedRecord(matches)
        if not self._is_own(matches[0]):
            return self.others.matched(matches, stored, row)
        key_field = self.key_rule.field.name
        carried = stored.values.get(key_field)
        is_blank = carried is None or not str(carried).strip()
        return MatchedRecord(
            matches,
            readable=not stored.is_deleted and key_field in stored.values,
            is_deleted=stored.is_deleted,
            is_converted=stored.values.get("IsConverted") is True,
            key=None if carried is None else str(carried),
            carries_another_key=not is_blank and self.key_rule.fold_stored(carried) != self.key_rule.fold(row.key),
            values={**stored.values, **self._parents(stored.values, row)},
        )

    def _parents(self, values: Mapping[str, Any], row: Record) -> dict[str, Any]:
        """Of the parents that the row names by their keys, the ids that the record has."""
        found = {name: self.sobject.parent(name) for name, value in row.fields.items() if isinstance(value, Mapping)}
        return {name: values[field.name] for name, field in found.items() if field and field.name in values}
