"""The short form of a field in an org file: ``text(255) external_id unique case_insensitive``.

A spec is a type, with its arguments in parentheses, followed by words. Types: text, long_text, email, phone,
url, picklist, multipicklist, checkbox, int, number, currency, percent, date, datetime, time, reference,
master_detail, auto_number, id. Words: required, external_id, unique, case_sensitive, case_insensitive, id_lookup,
restricted, read_only, create_only, name, default(…), label(…), relationship(…), children(…), cascade (deleted with
what it points at), restrict (keeps what it points at from being deleted), converted(…) (the statuses of converted
leads), closed(…) and won(…) (the values with which IsClosed and IsWon are true).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from airflow_sf_dedup.emulator.errors import OrgFileError
from airflow_sf_dedup.emulator.records.schema import Field
from airflow_sf_dedup.emulator.suggesting import no_such

_WORD = re.compile(r"\s*([A-Za-z_]+)(?:\(([^()]*(?:\([^()]*\)[^()]*)*)\))?")

_KINDS: dict[str, dict[str, Any]] = {
    "text": {"kind": "string", "length": 255},
    "long_text": {"kind": "textarea", "length": 32000},
    "text_area": {"kind": "textarea", "length": 255},
    "email": {"kind": "email", "length": 80},
    "phone": {"kind": "phone", "length": 40},
    "url": {"kind": "url", "length": 255},
    "picklist": {"kind": "picklist", "length": 255},
    "multipicklist": {"kind": "multipicklist", "length": 4099},
    "checkbox": {"kind": "boolean", "nillable": False},
    "boolean": {"kind": "boolean", "nillable": False},
    "int": {"kind": "int", "precision": 8},
    "number": {"kind": "double", "precision": 18},
    "currency": {"kind": "currency", "precision": 18, "scale": 2},
    "percent": {"kind": "percent", "precision": 5, "scale": 2},
    "date": {"kind": "date"},
    "datetime": {"kind": "datetime"},
    "time": {"kind": "time"},
    "reference": {"kind": "reference", "length": 18},
    "master_detail": {
        "kind": "reference",
        "length": 18,
        "nillable": False,
        "updateable": False,
        "on_delete": "cascade",
    },
    "id": {"kind": "id", "length": 18},
    "auto_number": {"kind": "string", "length": 30, "auto_number": True, "createable": False, "updateable": False},
}


def _values(argument: str) -> tuple[str, ...]:
    return tuple(value.strip() for value in argument.split("|"))


_WORDS: dict[str, Callable[[str], dict[str, Any]]] = {
    "required": lambda _: {"nillable": False},
    "external_id": lambda _: {"external_id": True, "id_lookup": True},
    "unique": lambda _: {"unique": True},
    "case_sensitive": lambda _: {"case_sensitive": True},
    "case_insensitive": lambda _: {"case_sensitive": False},
    "id_lookup": lambda _: {"id_lookup": True},
    "restricted": lambda _: {"restricted": True},
    "read_only": lambda _: {"createable": False, "updateable": False},
    "create_only": lambda _: {"updateable": False},
    "name": lambda _: {"name_field": True},
    "default": lambda argument: {"default": argument},
    "label": lambda argument: {"label": argument},
    "relationship": lambda argument: {"relationship_name": argument},
    "cascade": lambda _: {"on_delete": "cascade"},
    "restrict": lambda _: {"on_delete": "restrict"},
    "converted": lambda argument: {"converted": _values(argument)},
    "closed": lambda argument: {"closed": _values(argument)},
    "won": lambda argument: {"won": _values(argument)},
    "children": lambda argument: {"children_name": argument},
}


def read_field(name: str, spec: Any, setting: str) -> Field:
    """The field that ``spec`` describes: the short form, or a mapping with ``type`` and the words as keys.

    :raises OrgFileError: naming ``setting``.
    """
    if isinstance(spec, dict):
        spec = _short_form(spec, setting)
    if not isinstance(spec, str):
        raise OrgFileError(setting, f"{spec!r} should be a text such as 'text(255) external_id unique'")
    (kind, argument), *words = _split(spec, setting)
    attributes = {"label": label_of(name), **_kind(kind, argument, setting)}
    for word, value in words:
        attributes.update(_word(word, value, setting))
    return Field(name=name, **_finished(name, attributes, setting))


def label_of(name: str) -> str:
    """A label made from an API name: ``External_Id__c`` is ``External Id``, ``LastName`` is ``Last Name``."""
    stem = re.sub(r"__[a-z]+$", "", name).replace("_", " ")
    if name.endswith("Id") and len(name) > 2 and "__" not in name:
        stem = name[:-2] + " ID"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stem)


def plural_of(label: str) -> str:
    """``Opportunity`` is ``Opportunities``, ``Address`` is ``Addresses``, ``Lead`` is ``Leads``."""
    if re.search(r"[^aeiou]y$", label):
        return label[:-1] + "ies"
    return label + ("es" if re.search(r"(?:s|x|ch|sh)$", label) else "s")


def _short_form(spec: dict[str, Any], setting: str) -> str:
    """A mapping as the short form: ``{type: picklist, values: [a, b], restricted: true}``."""
    if "type" not in spec:
        raise OrgFileError(setting, "a field given as a mapping needs 'type'")
    parts = [str(spec["type"])]
    if "values" in spec:
        parts[0] += "(" + "|".join(str(value) for value in spec["values"]) + ")"
    for word, value in spec.items():
        if word in ("type", "values") or value is False:
            continue
        parts.append(word if value is True else f"{word}({value})")
    return " ".join(parts)


def _split(spec: str, setting: str) -> list[tuple[str, str]]:
    words = []
    position = 0
    while spec[position:].strip():
        found = _WORD.match(spec, position)
        if not found:
            raise OrgFileError(setting, f"cannot read {spec[position:].strip()!r} in {spec!r}")
        words.append((found[1], found[2] or ""))
        position = found.end()
    if not words:
        raise OrgFileError(setting, "a field needs a type")
    return words


def _kind(kind: str, argument: str, setting: str) -> dict[str, Any]:
    if kind not in _KINDS:
        raise OrgFileError(setting, f"{kind!r}: {no_such('field type', kind, _KINDS)}")
    attributes = dict(_KINDS[kind])
    if not argument:
        return attributes
    if kind in ("picklist", "multipicklist"):
        return {**attributes, "values": _values(argument)}
    if attributes["kind"] == "reference":
        return {**attributes, "reference_to": _values(argument)}
    return {**attributes, **_size(attributes, argument, setting)}


def _size(attributes: dict[str, Any], argument: str, setting: str) -> dict[str, int]:
    try:
        numbers = [int(part) for part in argument.split(",")]
    except ValueError:
        raise OrgFileError(setting, f"({argument}) should be a length, or digits and decimals") from None
    if "precision" not in attributes:
        return {"length": numbers[0]}
    scale = numbers[1] if len(numbers) > 1 else 0
    return {"precision": numbers[0], "scale": scale}


def _word(word: str, value: str, setting: str) -> dict[str, Any]:
    if word not in _WORDS:
        raise OrgFileError(setting, f"{word!r}: {no_such('word', word, _WORDS)}")
    return _WORDS[word](value)


def _finished(name: str, attributes: dict[str, Any], setting: str) -> dict[str, Any]:
    kind = attributes["kind"]
    if kind == "reference":
        attributes.setdefault("relationship_name", _relationship_of(name))
    if "default" in attributes:
        attributes["default"] = _typed_default(kind, attributes["default"], setting)
    return attributes


def _relationship_of(name: str) -> str | None:
    if name.endswith("__c"):
        return name[:-1] + "r"
    return name[:-2] if name.endswith("Id") else None


def _typed_default(kind: str, text: str, setting: str) -> Any:
    try:
        if kind == "boolean":
            return {"true": True, "false": False}[text.lower()]
        if kind in ("int", "double", "currency", "percent"):
            return float(text) if "." in text else int(text)
    except (KeyError, ValueError):
        raise OrgFileError(setting, f"default({text}) is no {kind}") from None
    return text
