"""Which records go when one is deleted, which only lose their lookup, and which keep it from being deleted?"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.results import RowError
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.state.recycle_bin import Cleared
from airflow_sf_dedup.emulator.state.related import Child, Related

_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the deletion of a record reaches."""

    #: Nearest first.
    taken_along: tuple[str, ...]
    cleared: tuple[Cleared, ...]


def reach_of(related: Related, record_id: str) -> Reach:
    """Children by a cascading field, and theirs; of the other children the lookups that point at one of them."""
    going: dict[str, None] = {record_id: None}
    cleared: list[Cleared] = []
    waiting = [record_id]
    while waiting:
        parent_id = waiting.pop(0)
        for child in related.children(parent_id):
            if child.field.on_delete != "cascade":
                cleared.append(Cleared(child.record_id, child.field.name, parent_id))
            elif child.record_id not in going:
                going[child.record_id] = None
                waiting.append(child.record_id)
    staying = tuple(each for each in cleared if each.record_id not in going)
    return Reach(tuple(going)[1:], staying)


def restricted(org: Org, related: Related, record: Record, reach: Reach) -> RowError | None:
    """The refusal when a record outside of the reach keeps one inside from being deleted."""
    going = {record["Id"], *reach.taken_along}
    holding = [
        child
        for each in going
        for child in related.children(each)
        if child.field.on_delete == "restrict" and child.record_id not in going
    ]
    if not holding:
        return None
    label = holding[0].sobject.label_plural.lower()
    names = ", ".join(dict.fromkeys(_name(org, each) for each in holding[:_MOST_NAMED]))
    message = (
        f"Your attempt to delete {record.get('Name') or record['Id']} could not be completed because it is "
        f"associated with the following {label}.: {names}\n"
    )
    return RowError("DELETE_FAILED", message)


def _name(org: Org, child: Child) -> str:
    record = org.table(child.sobject.name).records[child.record_id]
    named = (record.get(each.name) for each in child.sobject.fields.values() if each.name_field)
    return str(next((name for name in named if name), child.record_id))
