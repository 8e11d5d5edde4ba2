"""Who holds the keys of these rows, and what would an upsert meet there? Two reads for thousands of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airflow_sf_dedup.core.likeness import Likeness, is_blank, likeness
from airflow_sf_dedup.core.outcomes import Failed, KeyHeldByMany
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.journeys.sending.under_way import Answered, UnderWay
from airflow_sf_dedup.journeys.settling.blocked import Blocked
from airflow_sf_dedup.journeys.settling.kept_out import kept_out
from airflow_sf_dedup.salesforce.ports import RecordReader, StoredRecord

#: Types of fields that no duplicate rule compares, or that ``findDuplicates()`` cannot be given.
_NOT_ASKED = frozenset({"address", "anyType", "base64", "complexvalue", "id", "json", "location"})


@dataclass(frozen=True, slots=True)
class Standing:
    """A row, and what an upsert by its key would meet.

    :ivar holder: the one live record that holds the key.
    :ivar kept_out: the key is held where it cannot be written.
    :ivar in_bin: the row as it is kept out by a record in the recycle bin, unless a duplicate rule does so first.
    """

    row: Record
    holder: StoredRecord | None = None
    kept_out: Blocked | None = None
    in_bin: Blocked | None = None


@dataclass(frozen=True)
class Standings:
    """Reads the holders of keys.

    :ivar described: the sObject with all that the user sees.
    :ivar keeps_deleted: the key's field is unique, so that a record in the recycle bin keeps its key.
    """

    reader: RecordReader
    described: SObject
    keeps_deleted: bool = True

    def of(self, rows: Sequence[Record]) -> list[Standing]:
        """The standing of each row, in their order; one query for 2,000 keys, one read for 2,000 holders.

        :raises CallError: the org does not answer.
        """
        held = self.reader.all_holders(list(dict.fromkeys(row.key for row in rows)))
        one = [ids[0] for ids in held.live.values() if len(ids) == 1]
        stored = self.reader.by_id(self.described.name, one, self._fields()) if one else {}
        return [self._standing(row, held.live.get(row.key, ()), held.deleted.get(row.key, ()), stored) for row in rows]

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

    def _standing(
        self, row: Record, live: tuple[str, ...], deleted: tuple[str, ...], stored: Mapping[str, StoredRecord]
    ) -> Standing:
        sent = UnderWay(row, 1)
        if len(live) > 1:
            said = f"{len(live)} records hold the key"
            return Standing(row, kept_out=kept_out(Answered(sent, KeyHeldByMany(said, live))))
        if live:
            holder = stored.get(live[0], StoredRecord(live[0], {}))
            if holder.state is RecordState.CONVERTED:
                refused = Failed("CANNOT_UPDATE_CONVERTED_LEAD", "the record that holds the key is a converted lead")
                return Standing(row, kept_out=kept_out(Answered(sent, refused)))
            return Standing(row, holder)
        refused = Failed("DUPLICATE_VALUE", "a record in the recycle bin holds the key")
        return Standing(row, in_bin=kept_out(Answered(sent, refused), deleted) if self.keeps_deleted else None)

    def _is_same(self, name: str, value: Any, stored: Mapping[str, Any]) -> bool:
        field = self.described.field(name)
        return name in stored and likeness(value, stored[name], field) is Likeness.SAME

    def _fields(self) -> list[str]:
        wanted = [field.name for field in self.described.fields if _is_value(field) or field.name == "IsConverted"]
        return list(dict.fromkeys(["Id", *wanted]))

    def _is_asked(self, name: str) -> bool:
        field = self.described.field(name)
        return field is not None and _is_value(field)


def _is_value(field: Field) -> bool:
    """Whether it is a value of the record's own, that rules may compare."""
    return field.createable and field.type not in _NOT_ASKED
