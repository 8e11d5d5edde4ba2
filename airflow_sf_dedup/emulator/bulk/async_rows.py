"""The rows of a batch of the first Bulk API, whether it is CSV, JSON or XML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any
from xml.etree.ElementTree import Element

import msgspec

from airflow_sf_dedup.emulator.bulk.async_request import local, parsed
from airflow_sf_dedup.emulator.bulk.csv_files import BatchRefused, read_csv
from airflow_sf_dedup.emulator.bulk.rows import NULL, Columns
from airflow_sf_dedup.emulator.bulk.saving import check_names
from airflow_sf_dedup.emulator.errors import MalformedValue
from airflow_sf_dedup.emulator.records.drafts import Draft, read_json
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.results import RowError
from airflow_sf_dedup.emulator.state.bulk_jobs import Load
from airflow_sf_dedup.emulator.state.org import Org

_MOST_ROWS = 10_000
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"

#: Makes a row's draft; made anew for the save, which fills it.
Make = Callable[[], Draft]


def read_drafts(org: Org, load: Load, body: bytes, content_type: str) -> list[Make]:
    """:raises BatchRefused: the batch cannot be read, has too many rows, or names a field that there is not."""
    rows = _READERS[content_type](org, load, body)
    if len(rows) > _MOST_ROWS:
        raise BatchRefused(f"Too many records in batch: {len(rows)}. Maximum allowed is {_MOST_ROWS}")
    return rows


def _from_csv(org: Org, load: Load, body: bytes) -> list[Make]:
    header, rows = read_csv(body, delimiter=",", line_ending=None)
    check_names(load, header)
    columns = Columns(org.schema, load.sobject, header)
    return [partial(columns.draft, row) for row in rows]


def _from_json(org: Org, load: Load, body: bytes) -> list[Make]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BatchRefused(f"Failed to parse JSON. {error}") from None
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise BatchRefused("Failed to parse JSON. The batch should be a list of records")
    names = dict.fromkeys(name for record in found for name in record if name != "attributes")
    if found:
        check_names(load, list(names))
    for name in names:
        if load.sobject.find(name) is None and name.lower() not in load.sobject.by_relationship:
            raise BatchRefused(f"Field name not found : {name}")
    return [partial(_json_draft, load.sobject, record) for record in found]


def _json_draft(sobject: Sobject, record: Mapping[str, Any]) -> Draft:
    """A value of the wrong type refuses its row, not the batch."""
    try:
        return read_json(sobject, record)
    except MalformedValue as error:
        return Draft(sobject, errors=[RowError("INVALID_FIELD", error.message)])


def _from_xml(org: Org, load: Load, body: bytes) -> list[Make]:
    root = parsed(body)
    if root is None or local(root) != "sObjects":
        raise BatchRefused("Failed to parse XML. The batch should be sObjects")
    records = [dict(_texts(each)) for each in root if local(each) == "sObject"]
    names = list(dict.fromkeys(name for record in records for name in record))
    if records:
        check_names(load, names)
    columns = Columns(org.schema, load.sobject, names)
    return [partial(columns.draft, [record.get(name, "") for name in names]) for record in records]


def _texts(record: Element) -> Iterable[tuple[str, str]]:
    """Names as CSV has them: ``<Account><sObject><Ext__c>`` is ``Account.Ext__c``."""
    for child in record:
        name = local(child)
        if name == "type" and not len(child):
            continue
        if len(child):
            parent = child[0] if local(child[0]) == "sObject" else child
            yield from ((f"{name}.{local(each)}", each.text or "") for each in parent if local(each) != "type")
        else:
            yield name, NULL if child.get(_NIL) in ("true", "1") else (child.text or "")


_READERS: Mapping[str, Callable[[Org, Load, bytes], list[Make]]] = {
    "CSV": _from_csv,
    "JSON": _from_json,
    "XML": _from_xml,
}
