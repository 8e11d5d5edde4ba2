"""Claims on matched records, in the audit's database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, and_, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from airflow_sf_dedup.audit.bulk import among
from airflow_sf_dedup.audit.engine import reading, writing
from airflow_sf_dedup.audit.storable import stored_key
from airflow_sf_dedup.audit.tables import record_claim
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.locks.base import RecordClaim

#: Longer than the longest call and the retries behind it.
LIFETIME = timedelta(hours=1)


class SqlRecordClaims:
    """Grants each record of an org to one key at a time, in ``sf_dedup_record_claim``.

    :param engine: from :func:`airflow_sf_dedup.audit.engine.engine_for`.
    :param lifetime: how long a claim holds against other loads; claiming again by the same key renews it.
    :param clock: the present, UTC; the machines that share an audit must agree on it to a fraction of ``lifetime``.
    """

    def __init__(
        self, engine: Engine, lifetime: timedelta = LIFETIME, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.engine = engine
        self.lifetime = lifetime
        self._clock = clock

    def claim(self, load_id: str, org_id: str, claims: Iterable[RecordClaim]) -> Mapping[str, str]:
        """Claim the records, in record-id order so that nothing deadlocks; answers who holds each now.

        Of two keys that want one record in one call, the first gets it.
        """
        wishes: dict[str, str] = {}
        for claim in claims:
            wishes.setdefault(claim.record_id, claim.key)
        if not wishes:
            return {}
        now = self._clock()
        times = {"claimed_at": now, "expires_at": now + self.lifetime}
        rows = [
            {"org_id": org_id, "record_id": record_id, "load_id": load_id, "key": stored_key(key), **times}
            for record_id, key in sorted(wishes.items())
        ]
        with writing(self.engine) as connection:
            connection.execute(_take(self.engine.dialect.name, now), rows)
            held = _holders(connection, org_id, wishes)
        return {record_id: _spelled(held[record_id], key) for record_id, key in wishes.items()}

    def claimed(self, load_id: str, org_id: str) -> Mapping[str, str]:
        """Record id to key, of all that the load has claimed and not given up."""
        columns = record_claim.c
        query = select(columns.record_id, columns.key).where(columns.org_id == org_id, columns.load_id == load_id)
        with reading(self.engine) as connection:
            return {row.record_id: row.key for row in connection.execute(query)}

    def release(self, load_id: str, org_id: str, record_ids: Iterable[str]) -> None:
        """Give up this load's claims on these records; claims of other loads stay."""
        columns = record_claim.c
        with writing(self.engine) as connection:
            connection.execute(
                delete(record_claim).where(
                    columns.org_id == org_id,
                    columns.load_id == load_id,
                    among(connection.dialect, columns.record_id, sorted(set(record_ids))),
                )
            )

    def release_load(self, load_id: str, org_id: str) -> None:
        """Give up all claims of a load that is over; claims of other loads stay."""
        columns = record_claim.c
        with writing(self.engine) as connection:
            connection.execute(delete(record_claim).where(columns.org_id == org_id, columns.load_id == load_id))


def _take(dialect: str, now: datetime) -> Any:
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(record_claim)
    new, held = insert.excluded, record_claim.c
    left_behind = and_(held.expires_at <= now, held.load_id != new.load_id)
    return insert.on_conflict_do_update(
        index_elements=["org_id", "record_id"],
        set_={name: new[name] for name in ("load_id", "key", "claimed_at", "expires_at")},
        where=or_(held.key == new.key, left_behind),
    )


def _holders(connection: Connection, org_id: str, record_ids: Iterable[str]) -> dict[str, str]:
    columns = record_claim.c
    query = select(columns.record_id, columns.key).where(
        columns.org_id == org_id, among(connection.dialect, columns.record_id, record_ids)
    )
    return {row.record_id: row.key for row in connection.execute(query)}


def _spelled(held: str, key: str) -> str:
    """The key as the caller wrote it, where it is the one that holds the claim."""
    return key if held == stored_key(key) else held
