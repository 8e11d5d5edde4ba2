"""An XML element of a Metadata document by the local names of what is in it."""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from airflow_sf_dedup.emulator.soap_read import is_nil, local, text_of


def parse(document: bytes) -> Element:
    """:raises ValueError: it is no well-formed XML."""
    try:
        root: Element = fromstring(document)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise ValueError(str(error)) from None
    return root


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
