"""How the tables of claims and watermarks know a key: by its scope and its digest."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Table

from airflow_sf_dedup.database.storable import key_hash, stored_word
from airflow_sf_dedup.locks.base import KeyScope

#: The primary key of both tables, in its order.
PRIMARY_KEY = ("org_id", "sobject", "external_id_field", "key_hash")


def scope_columns(scope: KeyScope) -> dict[str, str]:
    """The columns of a scope; names of sObjects and fields are alike in any case."""
    names = {"sobject": scope.sobject.lower(), "external_id_field": scope.external_id_field.lower()}
    return {"org_id": scope.org_id, **{column: stored_word(name) or "" for column, name in names.items()}}


def within(table: Table, scope: KeyScope) -> list[ColumnElement[bool]]:
    """The condition that a row is of this scope."""
    return [table.c[column] == value for column, value in scope_columns(scope).items()]


def by_hash(keys: Iterable[str]) -> dict[str, str]:
    """Digest to key, in order of the digests: the order in which every transaction locks rows."""
    return dict(sorted((key_hash(key), key) for key in keys))
