"""What is known of a row that is kept out: the matched records and the holders of its key, read in bulk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.decisions import DuplicateCase, MatchedRecord
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.obstacles import Obstacle
from airflow_sf_dedup.core.outcomes import Match
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.journeys.settling.blocked import Blocked
from airflow_sf_dedup.journeys.settling.merges import living, read_merged
from airflow_sf_dedup.journeys.settling.others import OtherMatches
from airflow_sf_dedup.salesforce.ports import Holders, RecordReader, StoredRecord


@dataclass(frozen=True)
class Cases:
    """Reads cases; it writes nothing.

    :ivar sobject: with the fields of the load.
    :ivar described: with all that the user sees.
    :ivar others: reads matches of other sObjects.
    :ivar now: the org's time, UTC.
    :ivar claimed: record id to folded key, of the records that an earlier try of the load had claimed.
    """

    reader: RecordReader
    sobject: SObject
    described: SObject
    key_rule: KeyRule
    others: OtherMatches
    now: Callable[[], datetime] = utc_now
    claimed: Mapping[str, str] = field(default_factory=dict)
    #: The load writes to no record that there is.
    only_creates: bool = False

    def read(self, blocked: Sequence[Blocked]) -> list[DuplicateCase]:
        """A case for each row: two reads for all, one for each merge to follow and each other sObject that matches.

        :raises CallError: the org does not answer.
        """
        if not blocked:
            return []
        holders = self.reader.all_holders([row.record.key for row in blocked])
        stored = read_merged(self._read, self._ids(blocked, holders))
        others = (m for row in blocked for m in row.found.matches or () if not self._is_own(m))
        stored |= self.others.read((*others, *self.others.conversions(stored.values())))
        read_at = self.now()
        return [self._case(row, holders, stored, read_at) for row in blocked]

    def _read(self, record_ids: Sequence[str]) -> dict[str, StoredRecord]:
        return self.reader.by_id(self.sobject.name, record_ids, self._fields_to_read())

    def _ids(self, blocked: Iterable[Blocked], holders: Holders) -> list[str]:
        """The matches, and of the holders those that are no match: live ones where they are the obstacle."""
        found: list[str] = []
        for row in blocked:
            found += (match.record_id for match in row.found.matches or () if self._is_own(match))
            found += holders.deleted.get(row.record.key, ())
            if row.obstacle.is_key:
                found += (*row.holders, *holders.live.get(row.record.key, ()))
        return list(dict.fromkeys(found))

    def _is_own(self, match: Match) -> bool:
        return match.sobject.lower() == self.sobject.name.lower()

    def _fields_to_read(self) -> list[str]:
        return list(dict.fromkeys(["Id", *(field.name for field in self.sobject.fields)]))

    def _case(
        self, row: Blocked, holders: Holders, stored: Mapping[str, StoredRecord], read_at: datetime
    ) -> DuplicateCase:
        live, deleted = holders.live.get(row.record.key, ()), holders.deleted.get(row.record.key, ())
        named = self._matches(row, live, deleted)
        matched = self._records(named, stored, row.record)
        of_bin = self._records([self._holder(each) for each in deleted], stored, row.record)
        # A record into which the key's holder was merged is met by its key, where a rule named what it found.
        matched = _without_repeats((*matched, *(each for each in of_bin if matched and not each.state.in_recycle_bin)))
        known = {record.record_id for record in matched}
        return DuplicateCase(
            record=row.record,
            sobject=self.sobject.name,
            external_id_field=self.key_rule.field.name,
            match_fields=() if self.key_rule.is_field else self.key_rule.names,
            matched=matched,
            obstacle=row.obstacle,
            key_holders=live,
            gone_holders=tuple(each for each in of_bin if each.state.in_recycle_bin and each.record_id not in known),
            allow_save=row.found.allow_save,
            all_named=row.found.all_named,
            why_unnamed=row.found.why_unnamed,
            rules=row.found.rules,
            described=self.described,
            read_at=read_at,
            only_creates=self.only_creates,
        )

    def _matches(self, row: Blocked, live: Sequence[str], deleted: Sequence[str]) -> list[Match]:
        """What the rules named; where the key is the obstacle, who holds it."""
        if not row.obstacle.is_key:
            return list(row.found.matches or ())
        is_deleted = row.obstacle is Obstacle.KEY_HELD_IN_RECYCLE_BIN
        return [self._holder(each) for each in dict.fromkeys((*row.holders, *(deleted if is_deleted else live)))]

    def _holder(self, record_id: str) -> Match:
        """A record that is met by its key: no rule names it."""
        return Match(record_id, self.sobject.name)

    def _records(
        self, matches: Iterable[Match], stored: Mapping[str, StoredRecord], row: Record
    ) -> tuple[MatchedRecord, ...]:
        """A record for each that is named; merged-away ones as the living record that they have become."""
        by_id: dict[str, list[Match]] = defaultdict(list)
        merges: dict[str, dict[tuple[str, str], None]] = defaultdict(dict)
        for match in matches:
            record_id, trail = living(match.record_id, stored) if self._is_own(match) else (match.record_id, ())
            by_id[record_id].append(match)
            merges[record_id].update(dict.fromkeys(trail))
        records = (
            self._matched(tuple(some), stored.get(record_id), tuple(merges[record_id]), row)
            for record_id, some in by_id.items()
        )
        return tuple(self.others.followed(record, stored, row) for record in records)

    def _matched(
        self,
        matches: tuple[Match, ...],
        stored: StoredRecord | None,
        merges: tuple[tuple[str, str], ...],
        row: Record,
    ) -> MatchedRecord:
        if stored is None:
            return MatchedRecord(matches, merges=merges)
        if not self._is_own(matches[0]):
            return replace(self.others.matched(matches, stored, row), is_claimed=self._is_claimed(stored, row))
        carried = stored.values.get(self.key_rule.field.name) if self.key_rule.is_field else None
        is_blank = carried is None or not str(carried).strip()
        return MatchedRecord(
            matches,
            state=self._state(stored),
            deletion=stored.deletion,
            merges=merges,
            key=None if carried is None else str(carried),
            carries_another_key=not is_blank and self.key_rule.fold_stored(carried) != self.key_rule.fold(row.key),
            is_claimed=self._is_claimed(stored, row),
            values={**stored.values, **self._parents(stored.values, row)},
        )

    def _is_claimed(self, stored: StoredRecord, row: Record) -> bool:
        return self.claimed.get(stored.record_id) == self.key_rule.fold(row.key)

    def _state(self, stored: StoredRecord) -> RecordState:
        is_told = stored.state is not RecordState.LIVE or stored.values.keys() >= {*self.key_rule.names}
        return stored.state if is_told else RecordState.UNREADABLE

    def _parents(self, values: Mapping[str, Any], row: Record) -> dict[str, Any]:
        """Of the parents that the row names by their keys, the ids that the record has."""
        found = {name: self.sobject.parent(name) for name, value in row.fields.items() if isinstance(value, Mapping)}
        return {name: values[field.name] for name, field in found.items() if field and field.name in values}


def _without_repeats(records: Iterable[MatchedRecord]) -> tuple[MatchedRecord, ...]:
    """The first of those that are one record."""
    first: dict[str, MatchedRecord] = {}
    for record in records:
        first.setdefault(record.record_id, record)
    return tuple(first.values())
