"""Which live records point at a record, and by which field?

References have no index, so that saving stays fast; the records of one sobject are read once for all that one call
wants to know of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airflow_sf_dedup.emulator.org import Org
from airflow_sf_dedup.emulator.schema import Field, Sobject

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
        self._by_field: dict[tuple[str, str], dict[str, dict[str, None]]] = {}

    def children(self, parent_id: str) -> Iterator[Child]:
        """The live records that point at ``parent_id``, one entry for each field that does."""
        parent = self._org.schema.of_id(parent_id)
        if parent is None:
            return
        for sobject, field in self._org.schema.children_of(parent.name):
            if field.name in _NOT_RELATED:
                continue
            table = self._org.table(sobject.name)
            for record_id in list(self._pointing(sobject, field).get(parent_id, ())):
                record = table.live(record_id)
                if record is not None and record.get(field.name) == parent_id:
                    yield Child(sobject, field, record_id)

    def moved(self, child: Child, parent_id: str) -> None:
        """The child points at ``parent_id`` from now on, unless that is taken back."""
        self._pointing(child.sobject, child.field).setdefault(parent_id, {})[child.record_id] = None

    def _pointing(self, sobject: Sobject, field: Field) -> dict[str, dict[str, None]]:
        key = (sobject.name, field.name)
        if key not in self._by_field:
            found: dict[str, dict[str, None]] = {}
            for record_id, record in self._org.table(sobject.name).records.items():
                parent_id = record.get(field.name)
                if parent_id is not None:
                    found.setdefault(parent_id, {})[record_id] = None
            self._by_field[key] = found
        return self._by_field[key]
