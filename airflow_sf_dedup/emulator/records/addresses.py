"""Compound addresses: ``MailingAddress`` shows in one what MailingStreet, MailingCity … say. Nothing is kept in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_sf_dedup.emulator.records.schema import Field

#: As an address is shown, with the ending of the field that each part is kept in.
_PARTS = {
    "city": "City",
    "country": "Country",
    "geocodeAccuracy": "GeocodeAccuracy",
    "latitude": "Latitude",
    "longitude": "Longitude",
    "postalCode": "PostalCode",
    "state": "State",
    "street": "Street",
}


def with_addresses(fields: Mapping[str, Field]) -> dict[str, Field]:
    """The fields of a standard sObject, with a compound one for each street that has a city."""
    found = dict(fields)
    for name in fields:
        stem = name.removesuffix("Street")
        if stem == name or f"{stem}City" not in fields:
            continue
        compound = f"{stem}Address"
        parts = {part: f"{stem}{ending}" for part, ending in _PARTS.items()}
        for each in parts.values():
            if each in fields:
                found[each] = replace(found[each], compound=compound)
        label = f"{stem} Address".strip()
        found[compound] = Field(
            compound, label, "address", createable=False, updateable=False, parts=tuple(parts.items())
        )
    return found


def value_of(field: Field, record: Mapping[str, Any]) -> Any:
    """What ``record`` shows in ``field``; an address is a mapping, null where all of its parts are."""
    if not field.parts:
        return record.get(field.name)
    address = {part: record.get(name) for part, name in field.parts}
    return address if any(each is not None for each in address.values()) else None
