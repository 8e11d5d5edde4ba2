"""Which live records point at a record, and by which field?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airflow_sf_dedup.emulator.records.references import pointing_at
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.state.org import Org

#: Earlier victims keep their master; see the quirk ``merge_moves_earlier_victims``.
_NOT_RELATED = frozenset({"MasterRecordId"})


@dataclass(frozen=True, slots=True)
class Child:
    sobject: Sobject
    field: Field
    record_id: str


class Related:
    def __init__(self, org: Org) -> None:
        self._org = org

    def children(self, parent_id: str) -> Iterator[Child]:
        """The live records that point at ``parent_id``, one entry for each field that does."""
        parent = self._org.schema.of_id(parent_id)
        if parent is None:
            return
        for sobject, field in self._org.schema.children_of(parent.name):
            if field.name in _NOT_RELATED:
                continue
            table = self._org.table(sobject.name)
            for record_id in sorted(pointing_at(table, field.name, parent_id)):
                record = table.live(record_id)
                if record is not None and record.get(field.name) == parent_id:
                    yield Child(sobject, field, record_id)
