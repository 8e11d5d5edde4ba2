"""What would rows of this plan have left in the org by now? The records as later rows would meet them.

Nothing is written, so the org cannot tell. A plan remembers: which record would carry a key, and with which values. A
record that would have been created has no id yet, and a name of ours stands for it. Duplicate rules cannot be asked
about what is not there: see :mod:`~airflow_sf_dedup.journeys.planning.twins_met`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_sf_dedup.core.entries import WRITTEN, Action, Entry
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.salesforce.ports import Holders, Origin, RecordReader, StoredRecord

#: Begins the name of a record that would have been created; no id of Salesforce has a colon.
_TO_BE_CREATED = "row:"


def real_id(record_id: str | None) -> str | None:
    """The id of a record that is in the org; ``None`` for one that would have been created."""
    return None if record_id is None or record_id.startswith(_TO_BE_CREATED) else record_id


@dataclass
class Written:
    """The records that rows of the plan would have written.

    :ivar described: the sObject with all that the user sees.
    :ivar keys_repeat: rows of a key go one after the other. Where they do not, only matched records are met again.
    """

    key_rule: KeyRule
    described: SObject
    keys_repeat: bool = False
    #: Folded keys to the records that would carry them.
    _carriers: dict[str, str] = field(default_factory=dict, init=False)
    #: Ids to what would have been written to the records.
    _values: dict[str, dict[str, Any]] = field(default_factory=dict, init=False)
    #: Row numbers to what a decision would write, and whether the record is of the rows' own sObject.
    _decided: dict[int, tuple[Mapping[str, Any], bool]] = field(default_factory=dict, init=False)

    def decided(self, row_number: int, fields: Mapping[str, Any], *, is_own: bool) -> None:
        """What a decision would write for a row; it counts when the row's entry is noted."""
        self._decided[row_number] = (fields, is_own)

    def note(self, entry: Entry, fields: Mapping[str, Any], holder: str | None) -> None:
        """An entry of the plan.

        :param fields: of the row, as it would be sent where nothing else was decided.
        :param holder: the record that holds the row's key before.
        """
        fields, is_own = self._decided.pop(entry.row_number, (fields, True))
        if entry.action not in WRITTEN or not (self.keys_repeat or entry.action is Action.MATCHED_UPDATED):
            return
        record_id = entry.record_id or holder or f"{_TO_BE_CREATED}{entry.row_number}"
        self._values.setdefault(record_id, {}).update(fields)
        if is_own and entry.key is not None:
            self._carriers[self.key_rule.fold(entry.key)] = record_id

    def carriers(self, keys: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Those of the keys that a record would carry by now, as asked for, with its id."""
        found = {key: self._carriers.get(self.key_rule.fold(key)) for key in keys} if self._carriers else {}
        return {key: (record_id,) for key, record_id in found.items() if record_id is not None}

    def is_written(self, record_id: str) -> bool:
        """Whether a row of the plan would have written the record."""
        return record_id in self._values

    def by_then(self, record: StoredRecord, names: Collection[str]) -> StoredRecord:
        """The record as it would be by now; one that was in the recycle bin would be live.

        :param names: of the fields that are asked for. A parent that a row names by its key has an id that nobody has
            asked for: such a field is absent.
        """
        fields = self._values.get(record.record_id)
        if fields is None:
            return record
        parents = {parent.field.name for name, value in fields.items() if (parent := self._parent(name, value))}
        values = {**record.values, **{name: value for name, value in fields.items() if name in names}}
        return StoredRecord(record.record_id, {n: v for n, v in values.items() if n not in parents})

    def _parent(self, name: str, value: Any) -> Any:
        return self.described.parent(name) if isinstance(value, Mapping) else None


@dataclass(frozen=True)
class ByThen:
    """A ``RecordReader`` of the org as it would be by now: what a plan has foreseen stands before what the org says."""

    reader: RecordReader
    written: Written

    def describe(self, sobject: str) -> SObject:
        """As the org does."""
        return self.reader.describe(sobject)

    def by_id(self, sobject: str, record_ids: Sequence[str], fields: Sequence[str]) -> dict[str, StoredRecord]:
        """Those that would have been created have nothing but what their rows say."""
        there = [each for each in record_ids if real_id(each) is not None]
        stored = self.reader.by_id(sobject, there, fields) if there else {}
        new = (each for each in record_ids if real_id(each) is None and self.written.is_written(each))
        stored = {**stored, **{each: StoredRecord(each, dict.fromkeys(fields)) for each in new}}
        return {each: self.written.by_then(record, fields) for each, record in stored.items()}

    def holders(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Who holds keys now, or else would by then."""
        return {**self.written.carriers(keys), **self.reader.holders(keys)}

    def deleted_holders(self, keys: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Without those that would have left the recycle bin."""
        return self._still_deleted(self.reader.deleted_holders(keys))

    def all_holders(self, keys: Sequence[str]) -> Holders:
        """Both."""
        held = self.reader.all_holders(keys)
        live = {**self.written.carriers(keys), **held.live}
        return replace(held, live=live, deleted=self._still_deleted(held.deleted))

    def origins(self, record_ids: Sequence[str]) -> Mapping[str, Origin]:
        """Of those that are there."""
        return self.reader.origins([each for each in record_ids if real_id(each) is not None])

    def _still_deleted(self, deleted: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        left = {key: tuple(each for each in ids if not self.written.is_written(each)) for key, ids in deleted.items()}
        return {key: ids for key, ids in left.items() if ids}
