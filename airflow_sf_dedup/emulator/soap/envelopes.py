"""What does a SOAP call say? Bytes in, a SoapCall out; names of namespaces are not insisted upon."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from airflow_sf_dedup.emulator.records.drafts import TextRecord
from airflow_sf_dedup.emulator.xml_reading import is_nil, local, parse, text_of

_DECLARED = re.compile(rb"<\?xml[^>]*encoding=[\"']([A-Za-z0-9._-]+)")


class SoapClientFault(Exception):
    """The envelope or a value in it cannot be read (``soapenv:Client``)."""


@dataclass(frozen=True, slots=True)
class SoapCall:
    operation: str
    body: Element
    headers: Mapping[str, Element]

    def texts(self, name: str) -> list[str]:
        """The texts of the body's children called ``name``."""
        return [text_of(each) for each in self.body if local(each) == name]

    def text(self, name: str) -> str | None:
        return next(iter(self.texts(name)), None)

    def header(self, name: str, option: str) -> str | None:
        """One option of a header: ``header("DuplicateRuleHeader", "allowSave")``."""
        header = self.headers.get(name)
        found = [each for each in header if local(each) == option] if header is not None else []
        return text_of(found[0]).strip() if found else None

    def flag(self, name: str, option: str) -> bool:
        return (self.header(name, option) or "").lower() in ("true", "1")


def check_names(element: Element, known: frozenset[str]) -> None:
    """:raises SoapClientFault: an element of another name is among the children."""
    for child in element:
        name = local(child)
        if name and name not in known:
            raise SoapClientFault(f"Element {child.tag} invalid at this location")


def read_envelope(body: bytes) -> SoapCall:
    """:raises SoapClientFault: it is no XML, or no envelope with one operation."""
    root = _parsed(body)
    if local(root) != "Envelope":
        raise SoapClientFault("no SOAPEnvelope")
    parts = {local(each): each for each in root}
    operation = next((each for each in parts.get("Body", ()) if local(each)), None)
    if operation is None:
        raise SoapClientFault("Missing SOAP operation")
    headers = {local(each): each for each in parts.get("Header", ())}
    return SoapCall(local(operation), operation, headers)


def _parsed(body: bytes) -> Element:
    declared = _DECLARED.match(body.lstrip())
    if declared and declared[1].lower() not in (b"utf-8", b"us-ascii", b"iso-8859-1"):
        raise SoapClientFault(f"encoding {declared[1].decode()} is not supported")
    try:
        return parse(body)
    except ValueError as error:
        raise SoapClientFault(f"The content of elements must consist of well-formed character data: {error}") from None


@dataclass(frozen=True, slots=True)
class SoapRecord:
    sobject: str
    record: TextRecord


def read_sobject(element: Element, *, empty_is_null: bool) -> SoapRecord:
    """An ``sObjects`` element: type, fields, ``fieldsToNull`` and parents by external id.

    :param empty_is_null: an empty element clears its field; otherwise it is ignored.
    """
    sobject = element.get("{http://www.w3.org/2001/XMLSchema-instance}type", "").rpartition(":")[2]
    fields: list[tuple[str, str]] = []
    nulls: list[str] = []
    parents: list[tuple[str, list[tuple[str, str]]]] = []
    for child in element:
        name = local(child)
        if name == "type" and not len(child):
            sobject = text_of(child).strip() or sobject
        elif name == "fieldsToNull":
            nulls.append(text_of(child).strip())
        elif len(child):
            parents.append((name, [(local(each), text_of(each)) for each in child if local(each) != "type"]))
        elif is_nil(child) or not text_of(child).strip():
            nulls.extend([name] if empty_is_null and name != "Id" else [])
        else:
            fields.append((name, text_of(child)))
    return SoapRecord(sobject, TextRecord(fields, nulls, parents))
