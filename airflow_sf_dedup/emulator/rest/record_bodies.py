"""What does the body of a REST request write into one record? JSON, or XML as ``<Account><Name>Acme</Name></Account>``.

The name of the XML document's element says nothing; clients call it ``root`` or by the sobject.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Request
from airflow_sf_dedup.emulator.records.drafts import Draft, MalformedText, TextRecord, read_json, read_text
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.rest.http_rules import sends_xml
from airflow_sf_dedup.emulator.xml_reading import is_nil, local, parse, text_of


def read_record(sobject: Sobject, request: Request) -> Draft:
    """:raises ApiError: JSON_PARSER_ERROR or XML_PARSER_ERROR."""
    if not sends_xml(request):
        return read_json(sobject, request.json_object())
    try:
        return read_text(sobject, _record(parse(request.body)))
    except (ValueError, MalformedText) as error:
        raise ApiError("XML_PARSER_ERROR", str(error)) from None


def _record(root: Element) -> TextRecord:
    parts = [(local(each), each) for each in root if local(each)]
    parents = [(name, [(local(each), text_of(each)) for each in part]) for name, part in parts if len(part)]
    values = [(name, part) for name, part in parts if not len(part)]
    fields = [(name, text_of(part)) for name, part in values if not _is_empty(part)]
    return TextRecord(fields, [name for name, part in values if _is_empty(part)], parents)


def _is_empty(part: Element) -> bool:
    return is_nil(part) or not text_of(part).strip()
