"""The SOAP shapes of the Metadata API's ``readMetadata()`` and ``updateMetadata()``, for duplicate rules.

Nothing here sends or decides. ``updateMetadata()`` replaces a whole component (Metadata API guide, "updateMetadata()"):
so a rule goes back as it was read, element by element, whatever elements its release has, with one word changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from airflow_sf_dedup.salesforce.ports import RuleDefinition

_NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_TYPE = "DuplicateRule"
_IS_ACTIVE = re.compile(r"<isActive>\s*(true|false|1|0)\s*</isActive>")


@dataclass(frozen=True, slots=True)
class Refused:
    """A component that was not saved."""

    full_name: str
    code: str
    message: str


def envelope(token: str, body: str) -> bytes:
    """An envelope of the Metadata API around a call."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="{_XSI}"'
        f' xmlns="{_NAMESPACE}"><soapenv:Header><SessionHeader><sessionId>{escape(token)}</sessionId></SessionHeader>'
        f"</soapenv:Header><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    ).encode()


def read_body(sobject: str, names: Sequence[str]) -> str:
    """``readMetadata()`` of up to ten duplicate rules."""
    wanted = "".join(f"<fullNames>{escape(f'{sobject}.{name}')}</fullNames>" for name in names)
    return f"<readMetadata><type>{_TYPE}</type>{wanted}</readMetadata>"


def update_body(definitions: Sequence[RuleDefinition], *, active: bool) -> str:
    """``updateMetadata()`` of up to ten duplicate rules: as they are, but for whether they are active."""
    rules = "".join(
        f'<metadata xsi:type="{_TYPE}"><fullName>{escape(f"{each.sobject}.{each.name}")}</fullName>'
        f"{_IS_ACTIVE.sub(f'<isActive>{str(active).lower()}</isActive>', each.elements, count=1)}</metadata>"
        for each in definitions
    )
    return f"<updateMetadata>{rules}</updateMetadata>"


def read_rules(answer: Element) -> list[RuleDefinition]:
    """The rules of a ``readMetadataResponse``; one that the org has not is a record without a name, and left out."""
    records = (each for each in answer.iter() if _name(each) == "records")
    return [rule for rule in map(_rule, records) if rule is not None]


def read_refusals(answer: Element) -> list[Refused] | None:
    """Those of an ``updateMetadataResponse`` that were not saved; ``None``: it is no such answer."""
    response = next((each for each in answer.iter() if _name(each) == "updateMetadataResponse"), None)
    if response is None:
        return None
    results = _children(response, "result")
    return [_refused(each) for each in results if _text(each, "success") != "true"]


def _rule(record: Element) -> RuleDefinition | None:
    sobject, _, name = _text(record, "fullName").partition(".")
    elements = "".join(_written(each) for each in record if _name(each) != "fullName")
    active = _IS_ACTIVE.search(elements)
    if not name or active is None:
        return None
    return RuleDefinition(sobject, name, active[1] in ("true", "1"), elements)


def _written(element: Element) -> str:
    """An element without a namespace of its own, as the envelope has it."""
    name = _name(element)
    if element.get(f"{{{_XSI}}}nil") in ("true", "1"):
        return f'<{name} xsi:nil="true"/>'
    inner = "".join(map(_written, element)) if len(element) else escape(element.text or "", {"\r": "&#13;"})
    return f"<{name}>{inner}</{name}>"


def _refused(result: Element) -> Refused:
    error = next(_children(result, "errors"), result)
    return Refused(_text(result, "fullName"), _text(error, "statusCode"), _text(error, "message"))


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if _name(child) == name)


def _text(element: Element, name: str) -> str:
    return next((child.text or "" for child in _children(element, name)), "").strip()
