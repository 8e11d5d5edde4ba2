"""Watermarks of keys, in the audit's database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Engine, Text, delete, literal, or_, select, update

from airflow_sf_dedup.audit.bulk import among, each, insert_into
from airflow_sf_dedup.audit.columns import UtcDateTime
from airflow_sf_dedup.audit.contention import again
from airflow_sf_dedup.audit.engine import reading, writing
from airflow_sf_dedup.audit.storable import key_hash
from airflow_sf_dedup.audit.tables import watermark
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.locks.base import KeyScope, Watermark
from airflow_sf_dedup.locks.stored_keys import PRIMARY_KEY, by_hash, scope_columns, within


class SqlWatermarks:
    """Remembers the newest written state of each key, in ``sf_dedup_watermark``. Keys are stored as digests.

    :param engine: from :func:`airflow_sf_dedup.audit.engine.engine_for`.
    :param clock: says when a watermark was raised, for people only.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.engine = engine
        self._clock = clock

    def newest(self, scope: KeyScope, keys: Iterable[str]) -> Mapping[str, Watermark]:
        """Key to its watermark; keys without one are absent."""
        wanted = by_hash(keys)
        if not wanted:
            return {}
        columns = watermark.c
        query = select(columns.key_hash, columns.kind, columns.newest, columns.before, columns.raised_by).where(
            *within(watermark, scope), among(self.engine.dialect, columns.key_hash, wanted)
        )
        with reading(self.engine) as connection:
            return {
                wanted[digest]: Watermark(f"{kind}:{newest}", before, raised_by)
                for digest, kind, newest, before, raised_by in connection.execute(query)
            }

    def raise_to(self, scope: KeyScope, marks: Mapping[str, Watermark]) -> None:
        """Remember states that are as new or newer; an older one changes nothing, one of another kind replaces."""

        def raise_to() -> None:
            with writing(self.engine) as connection:
                connection.execute(_raise(connection, scope, marks, self._clock()))

        if marks:
            again()(raise_to)

    def take_back(self, scope: KeyScope, marks: Mapping[str, Watermark]) -> None:
        """Put older watermarks back, or none, where nobody has raised them since."""

        def take_back() -> None:
            with writing(self.engine) as connection:
                for key, mark in sorted(marks.items(), key=itemgetter(0)):
                    connection.execute(_put_back(scope, key, mark))

        if marks:
            again()(take_back)


def _put_back(scope: KeyScope, key: str, mark: Watermark) -> Any:
    columns = watermark.c
    mine = (*within(watermark, scope), columns.key_hash == key_hash(key), columns.raised_by == mark.raised_by)
    if mark.before is None:
        return delete(watermark).where(*mine)
    kind, newest = mark.before.split(":", 1)
    # What was before that state is not known any more: it stays.
    return update(watermark).where(*mine).values(kind=kind, newest=newest, before=mark.before, raised_by="")


def _raise(connection: Connection, scope: KeyScope, marks: Mapping[str, Watermark], at: datetime) -> Any:
    by_digest = sorted(((key_hash(key), mark) for key, mark in marks.items()), key=itemgetter(0))
    lines = [(digest, *mark.order.split(":", 1), mark.before, mark.raised_by) for digest, mark in by_digest]
    digests, kinds, newest, before, raised_by = zip(*lines, strict=True)
    wished = each(connection.dialect, key_hash=digests, kind=kinds, newest=newest, before=before, raised_by=raised_by)
    columns = {
        **{name: literal(value, Text) for name, value in scope_columns(scope).items()},
        **{column.name: column for column in wished.c},
        "at": literal(at, UtcDateTime),
    }
    insert = insert_into(connection.dialect, watermark)
    insert = insert.from_select(list(columns), select(*columns.values()).order_by(wished.c.key_hash))
    new, held = insert.excluded, watermark.c
    return insert.on_conflict_do_update(
        index_elements=PRIMARY_KEY,
        set_={name: new[name] for name in ("kind", "newest", "before", "raised_by", "at")},
        where=or_(held.kind != new.kind, held.newest <= new.newest),
    )
