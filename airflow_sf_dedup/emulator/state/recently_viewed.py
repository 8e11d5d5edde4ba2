"""Which records has a user viewed lately? A query ``FOR VIEW`` or ``FOR REFERENCE`` counts as a view."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.state.org import Org

#: Salesforce remembers 200 of them.
_MOST = 200


def note_viewed(org: Org, user_id: str, record_ids: Iterable[str]) -> None:
    """The first of ``record_ids`` is the one viewed last."""
    with org.lock:
        viewed = org.viewed.setdefault(user_id, {})
        for record_id in reversed(list(record_ids)[:_MOST]):
            viewed.pop(record_id, None)
            viewed[record_id] = None
        for oldest in list(viewed)[: max(len(viewed) - _MOST, 0)]:
            del viewed[oldest]


def recently_viewed(org: Org, user_id: str, sobject: str | None = None) -> list[Record]:
    """Live records, the last one viewed first."""
    with org.lock:
        records = [org.record(each) for each in reversed(org.viewed.get(user_id, {}))]
    prefix = org.schema.sobjects[sobject].key_prefix if sobject else ""
    return [each for each in records if each and not each["IsDeleted"] and each["Id"].startswith(prefix)]
