"""Watermarks of keys, in the audit's database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Text, delete, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from airflow_sf_dedup.audit.bulk import among, each
from airflow_sf_dedup.audit.columns import UtcDateTime
from airflow_sf_dedup.audit.contention import again
from airflow_sf_dedup.audit.engine import reading, writing
from airflow_sf_dedup.audit.storable import key_hash
from airflow_sf_dedup.audit.tables import watermark
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.locks.base import KeyScope
from airflow_sf_dedup.locks.stored_keys import PRIMARY_KEY, by_hash, scope_columns, within


class SqlWatermarks:
    """Remembers the newest written state of each key, in ``sf_dedup_watermark``. Keys are stored as digests.

    :param engine: from :func:`airflow_sf_dedup.audit.engine.engine_for`.
    :param clock: says when a watermark was raised, for people only.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.engine = engine
        self._clock = clock

    def newest(self, scope: KeyScope, keys: Iterable[str]) -> Mapping[str, str]:
        """Key to the order of its newest written state; keys without one are absent."""
        wanted = by_hash(keys)
        if not wanted:
            return {}
        columns = watermark.c
        query = select(columns.key_hash, columns.kind, columns.newest).where(
            *within(watermark, scope), among(self.engine.dialect, columns.key_hash, wanted)
        )
        with reading(self.engine) as connection:
            return {wanted[digest]: f"{kind}:{newest}" for digest, kind, newest in connection.execute(query)}

    def raise_to(self, scope: KeyScope, orders: Mapping[str, str]) -> None:
        """Remember newer states; an older one changes nothing, one of another kind replaces.

        :param orders: key to order: the kind, a colon, and text that is greater the later the state is.
        """

        def raise_to() -> None:
            with writing(self.engine) as connection:
                connection.execute(_raise(connection, scope, orders, self._clock()))

        if orders:
            again()(raise_to)

    def take_back(self, scope: KeyScope, orders: Mapping[str, tuple[str, str | None]]) -> None:
        """Put older watermarks back, or none, where nobody has raised them since."""

        def take_back() -> None:
            with writing(self.engine) as connection:
                for key, (raised, before) in sorted(orders.items()):
                    connection.execute(_put_back(scope, key, raised, before))

        if orders:
            again()(take_back)


def _put_back(scope: KeyScope, key: str, raised: str, before: str | None) -> Any:
    kind, newest = raised.split(":", 1)
    columns = watermark.c
    raised_here = (columns.key_hash == key_hash(key), columns.kind == kind, columns.newest == newest)
    mine = (*within(watermark, scope), *raised_here)
    if before is None:
        return delete(watermark).where(*mine)
    old_kind, old_newest = before.split(":", 1)
    return update(watermark).where(*mine).values(kind=old_kind, newest=old_newest)


def _raise(connection: Connection, scope: KeyScope, orders: Mapping[str, str], at: datetime) -> Any:
    lines = sorted((key_hash(key), *order.split(":", 1)) for key, order in orders.items())
    digests, kinds, newest = zip(*lines, strict=True)
    wished = each(connection.dialect, key_hash=digests, kind=kinds, newest=newest)
    columns = {
        **{name: literal(value, Text) for name, value in scope_columns(scope).items()},
        **{column.name: column for column in wished.c},
        "at": literal(at, UtcDateTime),
    }
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(watermark)
    insert = insert.from_select(list(columns), select(*columns.values()).order_by(wished.c.key_hash))
    new, held = insert.excluded, watermark.c
    return insert.on_conflict_do_update(
        index_elements=PRIMARY_KEY,
        set_={name: new[name] for name in ("kind", "newest", "at")},
        where=or_(held.kind != new.kind, held.newest < new.newest),
    )
