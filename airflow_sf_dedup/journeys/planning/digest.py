"""Are these the rows, and is this what decides on them, that a plan was made of? A digest over both says so."""

from __future__ import annotations

import hashlib

from airflow_sf_dedup.core.identity import digest_of
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.twins import read_twin_fields
from airflow_sf_dedup.journeys.load_settings import LoadSettings
from airflow_sf_dedup.policies import read_policy


class RowsDigest:
    """BLAKE2b-128 over rows in the order of their source, and the settings that decide what becomes of them.

    How many tasks share the rows, how the org is asked, and whether what was there is kept, is no part of it.
    """

    def __init__(self, settings: LoadSettings, org_id: str) -> None:
        decides = {name: said for name, said in settings.write.decides.items() if name != "keep_before"}
        twins = [[name.lower() for name in criterion] for criterion in read_twin_fields(settings.twin_fields)]
        parts = [
            org_id,
            settings.sobject.lower(),
            settings.external_id_field.lower(),
            settings.on_repeat,
            (settings.newer_than or "").lower(),
            repr(read_policy(settings.write.on_duplicate)),
            *([{"twin_fields": twins}] if twins else []),
            *([decides] if decides else []),
        ]
        self._digest = hashlib.blake2b(digest_of(parts), digest_size=16)

    def add(self, record: Record) -> None:
        """One row that can be sent."""
        self._digest.update(f"{record.row_number}:{record.row_hash}:{record.order or ''}\n".encode())

    def hex(self) -> str:
        """32 hex digits."""
        return self._digest.hexdigest()
