"""Values as elements of XML, in the form that SOAP gives them."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape


def element(name: str, value: Any) -> str:
    """``<name>value</name>``; None becomes a nil element, a compound address has an element for each part."""
    if value is None:
        return f'<{name} xsi:nil="true"/>'
    if isinstance(value, dict):
        parts = "".join(element(f"sf:{part}", each) for part, each in value.items())
        return f'<{name} xsi:type="sf:address">{parts}</{name}>'
    return f"<{name}>{text(value)}</{name}>"


def text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(str(value))
