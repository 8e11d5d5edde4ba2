"""One source row on its way into Salesforce."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: What a field may hold on its way to Salesforce. A mapping is a parent named by its external ID,
#: as in ``{"Account": {"External_Id__c": "A-1"}}``.
FieldValue = str | int | float | bool | None | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kin:
    """The other rows of its load that a row has to do with, by their numbers."""

    #: Of the row that goes first among suspected twins, this one among them: the name of their group (``twin_fields``).
    twin_group: int | None = None
    #: Of the suspected twin that goes right before it; the first row of a group has none.
    twin_before: int | None = None
    #: Of the first rows of the keys that it names as its parents, as far as these are rows of the load.
    parents: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """A row with a usable key, typed and named as Salesforce wants it.

    An absent field is left alone by Salesforce, a ``None`` clears it.
    """

    #: Place in the source, from 1.
    row_number: int
    #: The normalised value of the external-ID field; the row's identity.
    key: str
    #: Field API name to value; holds the external-ID field as well.
    fields: Mapping[str, Any]
    #: Digest of the fields, to tell a changed row from the same row.
    row_hash: str
    #: Rows of a wave go together, after those of the waves before. There are the rows of its key before it
    #: (``on_repeat="in_order"``), those that may be its twins and come before it, and its parents.
    wave: int = 0
    #: How new the row's state is, from :func:`core.ordering.order_of` (``newer_than`` only).
    order: str | None = None
    #: ``None``: it has to do with no other row but those of its key.
    kin: Kin | None = None

    @property
    def twin_group(self) -> int | None:
        """The group of rows that may be twins of this one; ``None``: there is none."""
        return self.kin.twin_group if self.kin else None


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode


def row_hash(fields: Mapping[str, Any]) -> str:
    """32 hex digits (BLAKE2b-128) over the fields in a canonical order."""
    return hashlib.blake2b(_canonical(fields).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
