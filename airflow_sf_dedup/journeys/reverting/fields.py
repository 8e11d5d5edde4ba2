"""What is known of a field that a load changed: the changes, how far their revert is, and what the org holds now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_sf_dedup.audit.changes import ChangeId, MadeChange, Mark
from airflow_sf_dedup.core.entries import WRITTEN, Action
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.core.reverts import Announced, Done, FieldNow, Left, PutBack, RevertState, verdict
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.salesforce.ports import StoredRecord
from airflow_sf_dedup.salesforce.wire.moments import read_org_moment

_GONE: Mapping[RecordState, Left] = {
    RecordState.DELETED: Left.RECORD_DELETED,
    RecordState.MERGED_AWAY: Left.RECORD_MERGED_AWAY,
}


@dataclass(frozen=True, slots=True)
class ChangedField:
    """One field of one record, with all changes of the load to it that nobody has taken back, oldest first."""

    record_id: str
    field: str
    changes: tuple[MadeChange, ...]

    @property
    def keys(self) -> frozenset[str]:
        """Of the rows."""
        return frozenset(each.key for each in self.changes if each.key)

    def marks(self, state: RevertState, reason: Left | None = None, **more: Any) -> list[Mark]:
        """The same said of each change."""
        return [Mark(each.id, state, reason, **more) for each in self.changes]

    def announced(self, standing: Mapping[ChangeId, Mark]) -> Announced | None:
        """The latest call that was to put its value back, and of which nobody knows the answer."""
        marks = [standing[each.id] for each in self.changes if each.id in standing]
        found = [mark for mark in marks if mark.state is RevertState.ANNOUNCED]
        return Announced(found[-1].system_modstamp) if found else None


def was_written(made: MadeChange) -> bool:
    """Whether the change may have been made: the row's entry says so, or nobody knows."""
    if made.action in (None, Action.UNKNOWN):
        return bool(made.record_id)
    return made.action in WRITTEN and made.written_id == made.record_id


def by_field(changes: Iterable[MadeChange]) -> list[ChangedField]:
    """The changes of each field together."""
    found: defaultdict[tuple[str, str], list[MadeChange]] = defaultdict(list)
    for made in changes:
        found[made.record_id, made.change.field].append(made)
    return [ChangedField(record_id, field, tuple(some)) for (record_id, field), some in found.items()]


def verdict_on(
    field: ChangedField,
    stored: StoredRecord | None,
    described: SObject,
    announced: Announced | None,
    *,
    clear_opt_outs: bool,
) -> PutBack | Done | Left:
    """What is to be done about a field, now that its record was read."""
    if stored is None:
        return Left.RECORD_GONE
    if gone := _GONE.get(stored.state):
        return gone
    if field.field not in stored.values:
        return Left.NOT_WRITABLE
    now = FieldNow(stored.values[field.field], described.field(field.field), modstamp(stored))
    return verdict([each.change for each in field.changes], now, announced, clear_opt_outs=clear_opt_outs)


def fields_to_read(described: SObject, fields: Sequence[ChangedField]) -> list[str]:
    """Those that the user sees."""
    names = ("Id", "SystemModstamp", *(each.field for each in fields))
    return list(dict.fromkeys(found.name for name in names if (found := described.field(name)) is not None))


def modstamp(stored: StoredRecord) -> datetime | None:
    """When a record was written last, UTC; ``None``: the org does not tell."""
    return read_org_moment(stored.values.get("SystemModstamp"))
