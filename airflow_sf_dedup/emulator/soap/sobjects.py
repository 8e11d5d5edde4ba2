"""What does the element of one record say? Texts, by the names of fields."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from airflow_sf_dedup.emulator.records.drafts import TextRecord
from airflow_sf_dedup.emulator.xml_reading import is_nil, local, text_of


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
