"""XML by the local names of its elements; namespaces are not insisted upon."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


def parse(document: bytes) -> Element:
    """:raises ValueError: it is no well-formed XML."""
    try:
        root: Element = fromstring(document)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise ValueError(str(error)) from None
    return root


def local(element: Element) -> str:
    tag: Any = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def text_of(element: Element) -> str:
    return element.text or ""


def is_nil(element: Element) -> bool:
    return element.get(_NIL) in ("true", "1")


def children(element: Element, name: str) -> list[Element]:
    return [each for each in element if local(each) == name]


def text(element: Element, name: str) -> str | None:
    """The text of the first child called ``name``; None where it is absent, nil or empty."""
    found = children(element, name)
    if not found or is_nil(found[0]):
        return None
    return text_of(found[0]).strip() or None


def texts(element: Element, name: str) -> list[str]:
    found = (text_of(each).strip() for each in children(element, name) if not is_nil(each))
    return [each for each in found if each]


def flag(element: Element, name: str, *, default: bool = False) -> bool:
    found = text(element, name)
    return default if found is None else found.lower() in ("true", "1")
