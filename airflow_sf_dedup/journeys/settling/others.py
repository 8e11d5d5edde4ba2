"""Matches of other sObjects: their records are read in bulk, and their values told by the fields of the row."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_sf_dedup.core.conversions import CONTACT
from airflow_sf_dedup.core.correspondence import counterpart
from airflow_sf_dedup.core.decisions import MatchedRecord
from airflow_sf_dedup.core.outcomes import Match
from airflow_sf_dedup.core.record_ids import record_id_in
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import CallError, PermissionRefusedError, PreflightError, RequestRefusedError
from airflow_sf_dedup.policies.base import OtherFields
from airflow_sf_dedup.salesforce.ports import RecordReader, StoredRecord

_log = logging.getLogger(__name__)

#: What the user may not see of another sObject makes its records unreadable; the load goes on.
_NOT_SEEN = (PreflightError, PermissionRefusedError, RequestRefusedError)


@dataclass
class OtherSObjects:
    """Other sObjects, each described once, when the first of its records matches.

    :ivar describe: raises where the user cannot see it.
    """

    describe: Callable[[str], SObject]
    _known: dict[str, SObject | None] = field(default_factory=dict, init=False)

    def get(self, name: str) -> SObject | None:
        """The sObject, if the user can see it.

        :raises CallError: the org does not answer.
        """
        if name.lower() not in self._known:
            self._known[name.lower()] = self._described(name)
        return self._known[name.lower()]

    def _described(self, name: str) -> SObject | None:
        try:
            return self.describe(name) if name else None
        except _NOT_SEEN as error:
            _not_compared(name, error)
            return None


@dataclass(frozen=True)
class OtherMatches:
    """Reads matched records of other sObjects; it writes nothing.

    :ivar sobject: of the rows, with the fields of the load.
    :ivar named: what policies write to other sObjects: it is read as well.
    """

    reader: RecordReader
    sobject: SObject
    others: OtherSObjects
    named: tuple[OtherFields, ...] = ()

    def read(self, matches: Iterable[Match]) -> dict[str, StoredRecord]:
        """The records that the user can read, by id: one read for each sObject.

        :raises CallError: the org does not answer.
        """
        named, ids = dict[str, str](), defaultdict[str, dict[str, None]](dict)
        for match in matches:
            name = named.setdefault(match.sobject.lower(), match.sobject)
            ids[name][match.record_id] = None
        return {record.record_id: record for name, of_it in ids.items() for record in self._read(name, of_it)}

    def conversions(self, records: Iterable[StoredRecord]) -> list[Match]:
        """The contacts that converted leads among these have become, where a policy may write to contacts."""
        if not any(each.sobject.lower() == CONTACT.lower() for each in self.named):
            return []
        found = (record.values.get("ConvertedContactId") for record in records if record.state is RecordState.CONVERTED)
        return [Match(contact, CONTACT) for contact in map(record_id_in, found) if contact]

    def followed(self, record: MatchedRecord, stored: Mapping[str, StoredRecord], row: Record) -> MatchedRecord:
        """The same; a converted lead with the contact that it has become, if that was read."""
        contact = record_id_in(record.leads_to) if record.state is RecordState.CONVERTED else None
        if contact is None or contact not in stored:
            return record
        matches = tuple(replace(match, record_id=contact, sobject=CONTACT) for match in record.matches)
        return replace(record, became=self.matched(matches, stored[contact], row))

    def matched(self, matches: tuple[Match, ...], stored: StoredRecord, row: Record) -> MatchedRecord:
        """A record that was read, held against a row."""
        other = self.others.get(matches[0].sobject)
        assert other is not None  # noqa: S101 - its record was read
        stamp = next((each.stamp for each in self._named(other)), None)
        found = other.field(stamp) if stamp else None
        stamped = stored.values.get(found.name) if found else None
        return MatchedRecord(
            matches,
            state=stored.state,
            deletion=stored.deletion,
            key=None if stamped is None else str(stamped),
            values=dict(self._values(other, stored.values, row)),
            own_values=stored.values,
        )

    def _read(self, name: str, ids: Iterable[str]) -> Iterable[StoredRecord]:
        other = self.others.get(name)
        if other is None:
            return ()
        try:
            return self.reader.by_id(other.name, list(filter(other.has_id, ids)), self._fields(other)).values()
        except _NOT_SEEN as error:
            _not_compared(other.name, error)
            return ()

    def _fields(self, other: SObject) -> list[str]:
        twins = (counterpart(self.sobject, field, other) for field in self.sobject.fields)
        named = (other.field(name) for each in self._named(other) for name in (each.stamp, *each.fields))
        found = (*(other.field(name) for name in ("IsConverted", "LastModifiedDate", "SystemModstamp")), *twins, *named)
        return list(dict.fromkeys(["Id", *(field.name for field in found if field is not None)]))

    def _named(self, other: SObject) -> Iterator[OtherFields]:
        return (each for each in self.named if each.sobject.lower() == other.name.lower())

    def _values(self, other: SObject, stored: Mapping[str, Any], row: Record) -> Iterator[tuple[str, Any]]:
        for name, value in row.fields.items():
            field = self._field(name, value)
            twin = counterpart(self.sobject, field, other) if field is not None else None
            if twin is not None and twin.name in stored:
                yield name, stored[twin.name]

    def _field(self, name: str, value: Any) -> Field | None:
        """A row names a parent by its relationship."""
        return self.sobject.parent(name) if isinstance(value, Mapping) else self.sobject.field(name)


def _not_compared(sobject: str, error: Exception) -> None:
    """Said in our words: Salesforce's may quote what it was asked for."""
    words = error.own_words if isinstance(error, CallError) else error
    _log.warning("matches of %s cannot be read, so that nothing is done to them: %s", sobject, words)
