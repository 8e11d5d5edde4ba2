"""Forgetting, when the law or a retention rule says so.

Counts hold afterwards: an erased row leaves a tombstone, and a load goes as a whole or not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import blake2b
from secrets import token_hex
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Table,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from airflow_sf_dedup.audit.base import NEVER_ENDS_AFTER, Purged
from airflow_sf_dedup.audit.rows import WAITING
from airflow_sf_dedup.core.entries import ERASED
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.sobjects import Field
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.bulk import among
from airflow_sf_dedup.database.contention import in_key_order
from airflow_sf_dedup.database.engine import reading, writing
from airflow_sf_dedup.database.storable import key_hash, stored_key

#: Folds as broadly as claims do; that is the same for every field.
_ANY_KEY = KeyRule(Field(name="", label="", type="string"))


def erase(engine: Engine, key: str, *, sobject: str | None, external_id_field: str | None, now: datetime) -> int:
    """Remove key, row hash, values, field differences and messages of every entry with this very key.

    The key also goes from matches of other rows, from record claims and from the journal, and its digest from
    watermarks and from key claims that have expired, whoever made them. What stays is
    the tombstone: row number, action, error code, record ids, with the reason ``erased``; and one event per load
    with a salted digest, by which somebody who knows the key can prove the erasure.

    :param sobject: restricts it to loads of that sObject, as ``external_id_field`` to those of that field.
    :returns: the number of rows erased.
    """
    wanted = stored_key(key) or ""
    loads = _loads_of(sobject, external_id_field)
    with writing(engine) as connection:
        rows = _rows_with(connection, wanted, loads)
        _erase_parts(connection, wanted, loads)
        _erase_from_journal(connection, {wanted, key}, loads)
        _erase_digests(connection, key, sobject, external_id_field, now)
        _bury(connection, wanted, loads)
        _note_erasure(connection, key, rows, now)
    _empty_wal(engine)
    return rows.total()


def _loads_of(sobject: str | None, external_id_field: str | None) -> list[ColumnElement[bool]]:
    asked = [
        (tables.load.c.sobject, sobject),
        (tables.load.c.external_id_field, external_id_field),
    ]
    # Salesforce does not tell API names apart by case.
    return [func.lower(column) == name.lower() for column, name in asked if name is not None]


def _within(table: Table, loads: list[ColumnElement[bool]]) -> list[ColumnElement[bool]]:
    return [table.c.load_id.in_(select(tables.load.c.load_id).where(*loads))] if loads else []


def _rows_with(connection: Connection, key: str, loads: list[ColumnElement[bool]]) -> Counter[str]:
    query = (
        select(tables.entry.c.load_id, func.count())
        .where(tables.entry.c.key == key, *_within(tables.entry, loads))
        .group_by(tables.entry.c.load_id)
    )
    return Counter({load_id: int(rows) for load_id, rows in connection.execute(query)})


def _erase_parts(connection: Connection, key: str, loads: list[ColumnElement[bool]]) -> None:
    rows = select(tables.entry.c.load_id, tables.entry.c.row_number).where(
        tables.entry.c.key == key, *_within(tables.entry, loads)
    )
    payload, match = tables.payload.c, tables.match.c
    connection.execute(delete(tables.payload).where(tuple_(payload.load_id, payload.row_number).in_(rows)))
    of_rows = tuple_(match.load_id, match.row_number).in_(rows)
    carries_key = match.key == key
    connection.execute(
        update(tables.match)
        .where(or_(of_rows, carries_key), *_within(tables.match, loads))
        .values(key=None, field_differences=None)
    )
    spellings = {key, key.lower(), key.upper(), key.casefold()}
    connection.execute(
        delete(tables.record_claim).where(
            among(connection.dialect, tables.record_claim.c.key, spellings),
            *_within(tables.record_claim, loads),
        )
    )


def _erase_from_journal(connection: Connection, keys: set[str], loads: list[ColumnElement[bool]]) -> None:
    query = select(tables.event.c.id, tables.event.c.detail).where(*_within(tables.event, loads))
    for event_id, detail in connection.execute(query).all():
        if not keys.isdisjoint(_texts(detail)):
            connection.execute(update(tables.event).where(tables.event.c.id == event_id).values(detail={ERASED: True}))


def _erase_digests(
    connection: Connection, key: str, sobject: str | None, external_id_field: str | None, now: datetime
) -> None:
    """Claims know a key by the digest of its broadest folding, watermarks by that of the org's own: all are tried."""
    asked = {"sobject": sobject, "external_id_field": external_id_field}
    digests = {key_hash(folded) for folded in (key, key.lower(), _ANY_KEY.partition_fold(key))}
    claim = tables.key_claim
    for table, more in ((tables.watermark, []), (tables.key_doubt, []), (claim, [claim.c.expires_at <= now])):
        scope = [table.c[column] == name.lower() for column, name in asked.items() if name is not None]
        connection.execute(delete(table).where(table.c.key_hash.in_(digests), *scope, *more))


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from value.keys()
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


def _bury(connection: Connection, key: str, loads: list[ColumnElement[bool]]) -> None:
    connection.execute(
        update(tables.entry)
        .where(tables.entry.c.key == key, *_within(tables.entry, loads))
        .values(key=None, row_hash=None, error_message=None, reason=ERASED)
    )


def key_digest(key: str, salt: str) -> str:
    """The digest that an ``erased`` event keeps: 32 hexadecimal digits."""
    return blake2b(key.encode("utf-8", "surrogatepass"), salt=bytes.fromhex(salt), digest_size=16).hexdigest()


def _note_erasure(connection: Connection, key: str, rows: Counter[str], now: datetime) -> None:
    salt = token_hex(16)
    detail = {"key_digest": key_digest(key, salt), "salt": salt}
    events = [
        {"load_id": load_id, "at": now, "event": ERASED, "detail": {**detail, "rows": count}}
        for load_id, count in sorted(rows.items())
    ]
    if events:
        connection.execute(insert(tables.event), events)


def purge(engine: Engine, older_than: datetime, *, force: bool, now: datetime) -> Purged:
    """Delete loads that were over before this time, each in its own transaction.

    A load without an end may be going on: it is over a day after it began.

    Claims that expired before this time go too. Watermarks stay: without them an old row could win over a newer one.

    :param force: deletes also loads with rows that wait: ``awaiting_review`` or ``held``.
    """
    named = _old_loads(engine, older_than)
    old = list(named)
    kept = [] if force else _with_waiting_rows(engine, old)
    gone = [load_id for load_id in old if load_id not in set(kept)]
    entries = sum(_delete_load(engine, load_id) for load_id in gone)
    with writing(engine) as connection:
        for claim in (tables.record_claim, tables.key_claim):
            # What nobody holds: a purge waits for no load.
            expired = in_key_order(claim, claim.c.expires_at < older_than, skip_locked=True)
            connection.execute(delete(claim).where(expired))
        if gone:
            detail = {"loads": len(gone), "entries": entries, "older_than": older_than.isoformat()}
            row = {"load_id": None, "at": now, "event": "purged", "detail": detail}
            connection.execute(insert(tables.event).values(row))
    _empty_wal(engine)
    words = tuple(named[load_id] for load_id in gone)
    return Purged(loads=len(gone), entries=entries, kept=tuple(kept), load_ids=tuple(gone), named=words)


def going_on(engine: Engine, moment: datetime) -> frozenset[str]:
    """The loads that were not over by then, as far as the audit knows: what is staged of them may be in use."""
    columns = tables.load.c
    not_over = (columns.ended_at.is_(None), columns.started_at >= moment - NEVER_ENDS_AFTER)
    with reading(engine) as connection:
        return frozenset(connection.scalars(select(columns.load_id).where(*not_over)))


def _old_loads(engine: Engine, older_than: datetime) -> dict[str, str]:
    """The loads that were over before then, oldest first, each in words."""
    columns = tables.load.c
    never_ended = and_(columns.ended_at.is_(None), columns.started_at < older_than - NEVER_ENDS_AFTER)
    query = select(columns.load_id, columns.dag_id, columns.run_id, columns.started_at)
    over = query.where(or_(columns.ended_at < older_than, never_ended)).order_by(columns.started_at, columns.load_id)
    with reading(engine) as connection:
        return {
            load_id: f"{load_id}: {dag_id} {run_id}, began {started_at:%Y-%m-%d %H:%M:%S} UTC"
            for load_id, dag_id, run_id, started_at in connection.execute(over)
        }


def _with_waiting_rows(engine: Engine, load_ids: list[str]) -> list[str]:
    waiting = select(tables.entry.c.load_id).where(
        among(engine.dialect, tables.entry.c.load_id, load_ids),
        tables.entry.c.action.in_(sorted(action.value for action in WAITING)),
    )
    with reading(engine) as connection:
        return sorted(connection.scalars(waiting.distinct()))


def _delete_load(engine: Engine, load_id: str) -> int:
    with writing(engine) as connection:
        connection.execute(delete(tables.load).where(tables.load.c.load_id == load_id))
        for table in (tables.match, tables.payload, tables.event, tables.call_count, tables.key_doubt):
            connection.execute(delete(table).where(table.c.load_id == load_id))
        return connection.execute(delete(tables.entry).where(tables.entry.c.load_id == load_id)).rowcount


def staging_paths(engine: Engine) -> set[str]:
    """Where loads were staged, beside the configured place."""
    path = tables.load.c.settings["staging_path"].as_string()
    with reading(engine) as connection:
        return {found for found in connection.scalars(select(path).distinct()) if found}


def _empty_wal(engine: Engine) -> None:
    """Take erased values out of SQLite's write-ahead log too, as far as no reader still needs it."""
    if engine.dialect.name != "sqlite":
        return
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close()
