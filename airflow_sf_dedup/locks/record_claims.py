"""Claims on matched records, in the audit's database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Executable,
    Text,
    and_,
    delete,
    literal,
    or_,
    select,
    update,
)

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.database.bulk import among, each, insert_into
from airflow_sf_dedup.database.columns import UtcDateTime
from airflow_sf_dedup.database.contention import again, in_key_order
from airflow_sf_dedup.database.engine import reading, writing
from airflow_sf_dedup.database.storable import stored_key
from airflow_sf_dedup.database.tables import record_claim
from airflow_sf_dedup.locks.base import RecordClaim

#: Longer than the longest call and the retries behind it.
LIFETIME = timedelta(hours=1)

#: What the clocks of machines that share an audit may differ by.
_CLOCKS_DIFFER = timedelta(seconds=2)

#: How long ended claims are kept: nobody settles by what was read earlier.
_KEPT = timedelta(days=1)


class SqlRecordClaims:
    """Grants each record of an org to one key at a time, in ``sf_dedup_record_claim``.

    :param engine: from :func:`airflow_sf_dedup.database.engine.engine_for`.
    :param lifetime: how long a claim holds against other loads; claiming again by the same key renews it.
    :param clock: the present, UTC; the machines that share an audit must agree on it to a fraction of ``lifetime``.
    """

    def __init__(
        self, engine: Engine, lifetime: timedelta = LIFETIME, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.engine = engine
        self.lifetime = lifetime
        self._clock = clock

    def claim(
        self, load_id: str, org_id: str, claims: Iterable[RecordClaim], *, read_at: datetime | None = None
    ) -> Mapping[str, str]:
        """Claim the records, in record-id order so that nothing deadlocks; answers who holds each now.

        Of two keys that want one record in one call, the first gets it.

        :param read_at: a record whose claim ended later than this, or hardly before, is refused as if it held on.
        """
        wishes: dict[str, str] = {}
        for claim in claims:
            wishes.setdefault(claim.record_id, claim.key)
        if not wishes:
            return {}
        held = again()(self._claim, load_id, org_id, wishes, read_at)
        return {record_id: _spelled(held[record_id], key) for record_id, key in wishes.items()}

    def _claim(self, load_id: str, org_id: str, wishes: Mapping[str, str], read_at: datetime | None) -> dict[str, str]:
        now = self._clock()
        columns: dict[str, ColumnElement[Any]] = {
            "org_id": literal(org_id, Text),
            "load_id": literal(load_id, Text),
            "claimed_at": literal(now, UtcDateTime),
            "expires_at": literal(now + self.lifetime, UtcDateTime),
        }
        with writing(self.engine) as connection:
            connection.execute(_take(connection.dialect, columns, wishes, _ended_before(now, read_at)))
            return _holders(connection, org_id, wishes)

    def claimed(self, load_id: str, org_id: str) -> Mapping[str, str]:
        """Record id to key, of all that the load has claimed and not given up."""
        columns = record_claim.c
        query = select(columns.record_id, columns.key).where(columns.org_id == org_id, columns.load_id == load_id)
        with reading(self.engine) as connection:
            return {row.record_id: row.key for row in connection.execute(query)}

    def release(self, load_id: str, org_id: str, record_ids: Iterable[str]) -> None:
        """Give up this load's claims on these records; claims of other loads stay."""
        columns = record_claim.c
        wanted = among(self.engine.dialect, columns.record_id, sorted(set(record_ids)))
        mine = in_key_order(record_claim, columns.org_id == org_id, columns.load_id == load_id, wanted)
        again()(self._write, delete(record_claim).where(mine))

    def release_load(self, load_id: str, org_id: str) -> None:
        """End all claims of a load that is over; claims of other loads stay.

        They are kept for a while: who read a record before it was stamped learns from them that it was.
        """
        columns = record_claim.c
        now = self._clock()
        mine = in_key_order(
            record_claim, columns.org_id == org_id, columns.load_id == load_id, columns.expires_at > now
        )
        again()(self._write, update(record_claim).where(mine).values(expires_at=now))
        forgotten = in_key_order(record_claim, columns.expires_at < now - _KEPT, skip_locked=True)
        again()(self._write, delete(record_claim).where(forgotten))

    def _write(self, statement: Executable) -> None:
        with writing(self.engine) as connection:
            connection.execute(statement)


def _ended_before(now: datetime, read_at: datetime | None) -> datetime:
    return now if read_at is None else min(now, read_at - _CLOCKS_DIFFER)


def _take(
    dialect: Dialect, columns: Mapping[str, ColumnElement[Any]], wishes: Mapping[str, str], ended_before: datetime
) -> Any:
    wished = each(dialect, record_id=list(wishes), key=[stored_key(key) or "" for key in wishes.values()])
    columns = {**columns, **{column.name: column for column in wished.c}}
    insert = insert_into(dialect, record_claim).from_select(
        list(columns), select(*columns.values()).order_by(wished.c.record_id)
    )
    new, held = insert.excluded, record_claim.c
    left_behind = and_(held.expires_at <= ended_before, held.load_id != new.load_id)
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
