"""SOQL for reading by key: literals, and lists that stay within a statement's length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airflow_sf_dedup.core.sobjects import Field

#: Salesforce allows 100,000 characters a statement (SOQL and SOSL limits).
_MOST_CHARACTERS = 90_000
_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_NUMBER_TYPES = frozenset({"double", "int", "long", "currency", "percent"})


def literal(field: Field, key: str) -> str:
    """A normalised key as a SOQL literal of the field's type."""
    return key if field.type in _NUMBER_TYPES else f"'{key.translate(_ESCAPES)}'"


def selects_by_key(sobject: str, field: Field, keys: Sequence[str], *, most_keys: int = 2000) -> Iterator[str]:
    """The statements that find the holders of all the keys, as few as their length allows."""
    head = f"SELECT Id, {field.name} FROM {sobject} WHERE {field.name} IN ("
    batch: list[str] = []
    size = len(head)
    for text in (literal(field, key) for key in keys):
        if batch and (size + len(text) + 2 > _MOST_CHARACTERS or len(batch) >= most_keys):
            yield f"{head}{','.join(batch)})"
            batch, size = [], len(head)
        batch.append(text)
        size += len(text) + 1
    if batch:
        yield f"{head}{','.join(batch)})"
