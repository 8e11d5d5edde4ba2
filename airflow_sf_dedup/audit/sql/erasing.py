"""Erasing a person: what is kept of one key goes, and a tombstone of each row stays, so that counts still hold."""

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
    Text,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from airflow_sf_dedup.core.entries import ERASED
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.sobjects import Field
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.bulk import among
from airflow_sf_dedup.database.engine import writing
from airflow_sf_dedup.database.erasure import empty_wal
from airflow_sf_dedup.database.storable import json_text, key_hash, stored_key

#: Folds as broadly as claims do; that is the same for every field.
_ANY_KEY = KeyRule(Field(name="", label="", type="string"))


def erase(engine: Engine, key: str, *, sobject: str | None, external_id_field: str | None, now: datetime) -> int:
    """Remove key, row hash, values, field differences, changes and messages of every entry with this very key.

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
    empty_wal(engine)
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
        .values(key=None, field_differences=None, field_states=None, cautions=None)
    )
    _erase_changes(connection, key, rows, loads)
    spellings = {key, key.lower(), key.upper(), key.casefold()}
    connection.execute(
        delete(tables.record_claim).where(
            among(connection.dialect, tables.record_claim.c.key, spellings),
            *_within(tables.record_claim, loads),
        )
    )


def _erase_changes(connection: Connection, key: str, rows: Any, loads: list[ColumnElement[bool]]) -> None:
    """What rows of the key changed, and whatever else had the key in a field before or after."""
    change = tables.change.c
    of_rows = tuple_(change.load_id, change.row_number).in_(rows)
    carries_key = or_(*(cast(value, Text) == json_text(key) for value in (change.before, change.after)))
    connection.execute(delete(tables.change).where(or_(of_rows, carries_key), *_within(tables.change, loads)))


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
