"""SOQL for reading by key or id: literals, and lists that stay within a statement's length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from airflow_sf_dedup.core.sobjects import Field

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_BARE_TYPES = frozenset({"double", "int", "long", "currency", "percent", "date"})

#: What may stand in a URL's query as it is, of what a statement is made of (RFC 3986, 3.4).
_PLAIN_IN_A_URL = "'(),=:"


def in_a_url(statement: str) -> str:
    """A statement as the query of a URL has it."""
    return quote(statement, safe=_PLAIN_IN_A_URL)


@dataclass(frozen=True, slots=True)
class Room:
    """How long a statement may be.

    :ivar most: characters, as :attr:`size` counts them.
    """

    most: int
    size: Callable[[str], int] = len


#: Salesforce allows 100,000 characters a statement (SOQL and SOSL limits).
IN_A_BODY = Room(90_000)
#: Tuples of values that one statement compares: of conditions Salesforce says only that too many are "too complicated"
#: (QUERY_TOO_COMPLICATED), so these are few where its length would hold a thousand.
MOST_TUPLES = 200
#: A URL may have 16,384 bytes together with the headers, of which the access token is one (REST guide, status codes
#: 414 and 431).
IN_A_URL = Room(10_000, lambda text: len(in_a_url(text)))


def literal(field: Field, key: str) -> str:
    """A normalised key as a SOQL literal of the field's type."""
    return key if field.type in _BARE_TYPES else f"'{key.translate(_ESCAPES)}'"


def selects_by_key(
    sobject: str,
    field: Field,
    keys: Sequence[str],
    *,
    more_fields: Iterable[str] = (),
    condition: str = "",
    room: Room = IN_A_BODY,
    most_keys: int = 2000,
) -> Iterator[str]:
    """The statements that find the holders of all the keys, as few as their length allows.

    :param more_fields: to read of each, beside its id and its key.
    :param condition: what else holds of them, from ``AND`` on.
    """
    head = f"SELECT {_names('Id', field.name, *more_fields)} FROM {sobject} WHERE {field.name} IN ("
    return _with_lists(head, (literal(field, key) for key in keys), f"){condition}", room, most_keys)


def selects_by_values(
    sobject: str,
    fields: Sequence[Field],
    tuples: Iterable[Sequence[str]],
    *,
    more_fields: Iterable[str] = (),
    room: Room = IN_A_BODY,
    most_tuples: int = MOST_TUPLES,
) -> Iterator[str]:
    """The statements that find the records which have all the values of one of the tuples.

    :param tuples: normalised values, one a field.
    :param more_fields: to read of each, beside its id and these fields.
    """
    head = f"SELECT {_names('Id', *(field.name for field in fields), *more_fields)} FROM {sobject} WHERE "
    return _with_lists(head, (_all_equal(fields, each) for each in tuples), "", room, most_tuples, between=" OR ")


def _all_equal(fields: Sequence[Field], values: Sequence[str]) -> str:
    pairs = zip(fields, values, strict=True)
    return f"({' AND '.join(f'{field.name} = {literal(field, value)}' for field, value in pairs)})"


def selects_deleted(
    sobject: str, ids: Sequence[str], more_fields: Iterable[str] = (), *, room: Room = IN_A_BODY, most_ids: int = 2000
) -> Iterator[str]:
    """The statements that tell which of the records are in the recycle bin.

    :param more_fields: to read of each.
    """
    head = f"SELECT {_names('Id', 'IsDeleted', *more_fields)} FROM {sobject} WHERE Id IN ("
    return _with_lists(head, (f"'{each}'" for each in ids), ")", room, most_ids)


def selects_referring(
    sobject: str, field: str, ids: Sequence[str], fields: Iterable[str], *, room: Room = IN_A_BODY, most_ids: int = 2000
) -> Iterator[str]:
    """The statements that find the records whose field has one of the ids.

    :param fields: to read of each.
    """
    head = f"SELECT {_names('Id', *fields)} FROM {sobject} WHERE {field} IN ("
    return _with_lists(head, (f"'{each}'" for each in ids), ")", room, most_ids)


def counts_referring(
    sobject: str, field: str, ids: Sequence[str], condition: str = "", *, room: Room = IN_A_BODY, most_ids: int = 2000
) -> Iterator[str]:
    """The statements that count, as ``children``, the records whose field has each of the ids.

    :param condition: what else holds of them, from ``AND`` on.
    """
    head = f"SELECT {field}, COUNT(Id) children FROM {sobject} WHERE {field} IN ("
    return _with_lists(head, (f"'{each}'" for each in ids), f"){condition} GROUP BY {field}", room, most_ids)


def _names(*fields: str) -> str:
    return ", ".join(dict.fromkeys(fields))


def _with_lists(
    head: str, literals: Iterable[str], tail: str, room: Room, most: int, *, between: str = ","
) -> Iterator[str]:
    around = room.size(head + tail)
    batch: list[str] = []
    size = around
    for text in literals:
        needs = room.size(f"{text}{between}")
        if batch and (size + needs > room.most or len(batch) >= most):
            yield f"{head}{between.join(batch)}{tail}"
            batch, size = [], around
        batch.append(text)
        size += needs
    if batch:
        yield f"{head}{between.join(batch)}{tail}"
