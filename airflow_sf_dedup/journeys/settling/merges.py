"""Where is a record now that was merged away? Its ``MasterRecordId`` tells, merge by merge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from airflow_sf_dedup.salesforce.ports import StoredRecord

#: Merges that are followed, one read each; a trail that leads further, or in a circle, leads nowhere.
MOST_MERGES = 10


def read_merged(
    read: Callable[[Sequence[str]], Mapping[str, StoredRecord]], record_ids: Sequence[str]
) -> dict[str, StoredRecord]:
    """The records, and those that they were merged into, one read for each step of the way.

    :raises CallError: the org does not answer.
    """
    known = dict(read(record_ids))
    asked = set(record_ids)
    for _ in range(MOST_MERGES):
        masters = {master for each in known.values() if (master := merged_into(each))} - asked
        if not masters:
            break
        asked |= masters
        known.update(read(sorted(masters)))
    return known


def living(record_id: str, known: Mapping[str, StoredRecord]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The record that a merged-away one has become, and the merges on the way; itself, where none of them is live."""
    trail: list[tuple[str, str]] = []
    here = record_id
    while (record := known.get(here)) is not None and len(trail) < MOST_MERGES:
        master = merged_into(record)
        if master is None:
            return (record_id, ()) if record.is_deleted else (here, tuple(trail))
        trail.append((here, master))
        here = master
    return record_id, ()


def merged_into(record: StoredRecord) -> str | None:
    """The record that a merged-away one was merged into; ``None``: it is live, or was deleted."""
    return record.deletion.merged_into if record.is_deleted and record.deletion else None
