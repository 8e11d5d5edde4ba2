"""Who holds the keys of these rows, and what would an upsert meet there? Two reads for thousands of rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airflow_sf_dedup.core.likeness import Likeness, is_blank, likeness
from airflow_sf_dedup.core.outcomes import Failed, KeyHeldByMany, Outcome
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.journeys.sending.known import Before, LeftAlone, WriteRules
from airflow_sf_dedup.journeys.sending.under_way import Answered, UnderWay
from airflow_sf_dedup.journeys.settling.blocked import Blocked
from airflow_sf_dedup.journeys.settling.kept_out import as_policies_see, kept_out
from airflow_sf_dedup.salesforce.ports import Holders, RecordReader, StoredRecord

#: Types of fields that no duplicate rule compares, or that ``findDuplicates()`` cannot be given.
_NOT_ASKED = frozenset({"address", "anyType", "base64", "complexvalue", "id", "json", "location"})


@dataclass(frozen=True, slots=True)
class Standing:
    """A row, and what a write by its key would meet.

    :ivar row: as it would be sent.
    :ivar holder: the one live record that holds the key.
    :ivar kept_out: the key is held where it cannot be written.
    :ivar in_bin: the row as it is kept out by a record in the recycle bin, unless a duplicate rule does so first.
    :ivar left: why the row would not be sent, by the load's mode or its rules for fields.
    :ivar is_sent: it is written, or refused, and not decided before.
    """

    row: Record
    holder: StoredRecord | None = None
    kept_out: Blocked | None = None
    in_bin: Blocked | None = None
    left: LeftAlone | None = None
    is_sent: bool = True

    @property
    def held_by(self) -> str | None:
        """The one live record that holds the key, whether it is written or not."""
        if self.left is not None:
            return self.left.record_id
        return self.holder.record_id if self.holder else None


@dataclass(frozen=True)
class Standings:
    """Reads the holders of keys.

    :ivar write: what the load may write, which decides how a row is sent as it does in the load.
    :ivar described: the sObject with all that the user sees.
    :ivar keeps_deleted: the key's field is unique, so that a record in the recycle bin keeps its key.
    """

    reader: RecordReader
    described: SObject
    write: WriteRules
    keeps_deleted: bool = True

    def of(self, rows: Sequence[Record]) -> list[Standing]:
        """The standing of each row, in their order; one query for 2,000 keys, one read for 2,000 holders.

        :raises CallError: the org does not answer.
        """
        held = self.reader.all_holders(list(dict.fromkeys(row.key for row in rows)))
        one = [ids[0] for ids in held.live.values() if len(ids) == 1]
        asked = self.write.fields_to_read(rows)
        stored = self.reader.by_id(self.described.name, one, self._fields(asked)) if one else {}
        # A load reads no more than it asks for, and decides by that.
        before = Before(held.live, {each: _part_of(record.values, asked) for each, record in stored.items()})
        return [self._standing(self._decided(row, before), row, held, stored) for row in rows]

    def merged(self, standing: Standing) -> Record | None:
        """The row with what its record has beside it, as rules would see it; ``None``: the row changes nothing."""
        values = standing.holder.values if standing.holder else {}
        if all(self._is_same(name, value, values) for name, value in standing.row.fields.items()):
            return None
        return replace(standing.row, fields={**self.as_stored(standing), **standing.row.fields})

    def as_stored(self, standing: Standing) -> dict[str, Any]:
        """What rules would see of its record, were nothing changed."""
        values = standing.holder.values if standing.holder else {}
        named = (name for name, value in values.items() if not is_blank(value) and self._is_asked(name))
        return {name: values[name] for name in named}

    def _decided(self, row: Record, before: Before) -> Record | LeftAlone | Outcome:
        """The row as it would be sent, or what a load knows of it without sending it."""
        if self.write.ask_first:
            return self.write.decide(row, before)
        live = before.holders.get(row.key, ())
        return row if len(live) < 2 else KeyHeldByMany(f"{len(live)} records hold the key", live)

    def _standing(
        self, decided: Record | LeftAlone | Outcome, row: Record, held: Holders, stored: Mapping[str, StoredRecord]
    ) -> Standing:
        if isinstance(decided, LeftAlone):
            return Standing(row, left=decided, is_sent=False)
        if not isinstance(decided, Record):
            return Standing(row, kept_out=self._kept_out(row, decided), is_sent=not self.write.ask_first)
        if live := held.live.get(row.key):
            return self._by_holder(decided, stored.get(live[0], StoredRecord(live[0], {})))
        refused = Failed("DUPLICATE_VALUE", "a record in the recycle bin holds the key")
        deleted = held.deleted.get(row.key, ())
        return Standing(decided, in_bin=self._kept_out(decided, refused, deleted) if self.keeps_deleted else None)

    def _by_holder(self, row: Record, holder: StoredRecord) -> Standing:
        if holder.state is RecordState.CONVERTED:
            refused = Failed("CANNOT_UPDATE_CONVERTED_LEAD", "the record that holds the key is a converted lead")
            return Standing(row, kept_out=self._kept_out(row, refused))
        return Standing(row, holder)

    def _kept_out(self, row: Record, outcome: Outcome, deleted: tuple[str, ...] = ()) -> Blocked | None:
        blocked = kept_out(Answered(UnderWay(row, 1), outcome), deleted)
        return None if blocked is None else as_policies_see(blocked, self.write)

    def _is_same(self, name: str, value: Any, stored: Mapping[str, Any]) -> bool:
        field = self.described.field(name)
        return name in stored and likeness(value, stored[name], field) is Likeness.SAME

    def _fields(self, asked: Collection[str]) -> list[str]:
        wanted = [field.name for field in self.described.fields if _is_value(field) or field.name == "IsConverted"]
        return list(dict.fromkeys(["Id", *wanted, *sorted(asked)]))

    def _is_asked(self, name: str) -> bool:
        field = self.described.field(name)
        return field is not None and _is_value(field)


def _part_of(values: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}


def _is_value(field: Field) -> bool:
    """Whether it is a value of the record's own, that rules may compare."""
    return field.createable and field.type not in _NOT_ASKED
