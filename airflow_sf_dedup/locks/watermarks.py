"""Watermarks of keys, in the audit's database.

One line a key holds the newest state that was surely written; its ``raised_by`` is empty. Beside it stands one line for
each row that was sent and of which nobody has said yet what became of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import islice
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, FromClause, Text, and_, delete, exists, literal, or_, select

from airflow_sf_dedup.database.bulk import among, each, insert_into
from airflow_sf_dedup.database.columns import UtcDateTime
from airflow_sf_dedup.database.contention import again
from airflow_sf_dedup.database.engine import reading, writing
from airflow_sf_dedup.database.storable import key_hash
from airflow_sf_dedup.database.tables import watermark
from airflow_sf_dedup.locks.base import KeyScope, Standing, Watermark
from airflow_sf_dedup.locks.stored_keys import PRIMARY_KEY, by_hash, scope_columns, within

#: ``raised_by`` of what is confirmed.
#: Marks of one statement where the database compares each with each, as SQLite does: it has no join by hashes.
_FORGOTTEN_TOGETHER = 50

_CONFIRMED = ""

_held = watermark.c


class SqlWatermarks:
    """Remembers how new the states of each key are, in ``sf_dedup_watermark``. Keys are stored as digests.

    :param engine: from :func:`airflow_sf_dedup.database.engine.engine_for`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def standing(self, scope: KeyScope, keys: Iterable[str]) -> Mapping[str, Standing]:
        """Key to its standing; keys of which no state was sent are absent."""
        wanted = by_hash(keys)
        if not wanted:
            return {}
        query = select(_held.key_hash, _held.kind, _held.newest, _held.raised_by, _held.at).where(
            *within(watermark, scope), among(self.engine.dialect, _held.key_hash, wanted)
        )
        confirmed: dict[str, str] = {}
        provisional: defaultdict[str, list[Watermark]] = defaultdict(list)
        with reading(self.engine) as connection:
            for digest, kind, newest, raised_by, at in connection.execute(query.order_by(_held.raised_by)):
                order = f"{kind}:{newest}"
                if raised_by == _CONFIRMED:
                    confirmed[digest] = order
                else:
                    provisional[digest].append(Watermark(order, raised_by, at))
        return {
            key: Standing(confirmed.get(digest), tuple(provisional[digest]))
            for digest, key in wanted.items()
            if digest in confirmed or digest in provisional
        }

    def announce(self, scope: KeyScope, marks: Mapping[str, Watermark]) -> None:
        """These states are about to be sent; a row that announces its own again keeps the earlier time."""

        def announce() -> None:
            with writing(self.engine) as connection:
                connection.execute(_announce(connection, scope, marks))

        if marks:
            again()(announce)

    def confirm(self, scope: KeyScope, marks: Mapping[str, Watermark]) -> None:
        """These states were written; an older one lowers nothing, one of another kind replaces."""

        def confirm() -> None:
            with writing(self.engine) as connection:
                connection.execute(_confirm(connection, scope, marks))
                _forget(connection, scope, marks, as_old=True)

        if marks:
            again()(confirm)

    def take_back(self, scope: KeyScope, marks: Mapping[str, Watermark]) -> None:
        """These states were surely not written."""

        def take_back() -> None:
            with writing(self.engine) as connection:
                _forget(connection, scope, marks, as_old=False)

        if marks:
            again()(take_back)


def _wished(connection: Connection, marks: Mapping[str, Watermark]) -> FromClause:
    """The marks as a table in the order of their digests: the order in which every transaction locks rows."""
    by_digest = sorted(((key_hash(key), mark) for key, mark in marks.items()), key=itemgetter(0))
    lines = [(digest, *mark.order.split(":", 1), mark.raised_by) for digest, mark in by_digest]
    digests, kinds, newest, raised_by = zip(*lines, strict=True)
    return each(connection.dialect, key_hash=digests, kind=kinds, newest=newest, raised_by=raised_by)


def _insertion(connection: Connection, scope: KeyScope, marks: Mapping[str, Watermark], raised_by: Any = None) -> Any:
    wished = _wished(connection, marks)
    columns: dict[str, ColumnElement[Any]] = {
        **{name: literal(value, Text) for name, value in scope_columns(scope).items()},
        **{column.name: column for column in wished.c},
        "at": literal(min(mark.since for mark in marks.values()), UtcDateTime),
    }
    if raised_by is not None:
        columns["raised_by"] = literal(raised_by, Text)
    insert = insert_into(connection.dialect, watermark)
    return insert.from_select(list(columns), select(*columns.values()).order_by(wished.c.key_hash))


def _announce(connection: Connection, scope: KeyScope, marks: Mapping[str, Watermark]) -> Any:
    insert = _insertion(connection, scope, marks)
    return insert.on_conflict_do_update(
        index_elements=[*PRIMARY_KEY, "raised_by"], set_={name: insert.excluded[name] for name in ("kind", "newest")}
    )


def _confirm(connection: Connection, scope: KeyScope, marks: Mapping[str, Watermark]) -> Any:
    insert = _insertion(connection, scope, marks, raised_by=_CONFIRMED)
    new = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=[*PRIMARY_KEY, "raised_by"],
        set_={name: new[name] for name in ("kind", "newest", "at")},
        where=or_(_held.kind != new.kind, _held.newest <= new.newest),
    )


def _forget(connection: Connection, scope: KeyScope, marks: Mapping[str, Watermark], *, as_old: bool) -> None:
    """Delete what these rows announced of their keys.

    :param as_old: and whatever else of the same keys is not newer.
    """
    together = len(marks) if connection.dialect.name == "postgresql" else _FORGOTTEN_TOGETHER
    items = iter(marks.items())
    while some := dict(islice(items, together)):
        connection.execute(_deletion(connection, scope, some, as_old=as_old))


def _deletion(connection: Connection, scope: KeyScope, marks: Mapping[str, Watermark], *, as_old: bool) -> Any:
    wished = _wished(connection, marks)
    which = _held.raised_by == wished.c.raised_by
    if as_old:
        which = or_(which, and_(_held.kind == wished.c.kind, _held.newest <= wished.c.newest))
    return delete(watermark).where(
        *within(watermark, scope),
        among(connection.dialect, _held.key_hash, by_hash(marks)),
        _held.raised_by != _CONFIRMED,
        exists().where(wished.c.key_hash == _held.key_hash, which),
    )
