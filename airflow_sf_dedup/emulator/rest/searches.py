"""``/search`` and ``/parameterizedSearch``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Call, QueryFields, Response
from airflow_sf_dedup.emulator.query import searching
from airflow_sf_dedup.emulator.query.rows import Rows
from airflow_sf_dedup.emulator.soql import sosl

_DEFAULT_LIMIT = 2000


def search(call: Call) -> Response:
    """``GET /search?q=FIND {…}``."""
    return _answer(call, sosl.parse(_required(call.request.query.get("q"))))


def by_query(call: Call) -> Response:
    """``GET /parameterizedSearch?q=Acme&sobject=Account&Account.fields=id,name``."""
    asked = call.request.query
    names = asked.several("sobject") if isinstance(asked, QueryFields) else [asked.get("sobject", "")]
    sobjects = [_settings(asked, name.strip()) for each in names for name in each.split(",") if name.strip()]
    return _parameterized(call, {**asked, "fields": _split(asked.get("fields")), "sobjects": sobjects})


def by_body(call: Call) -> Response:
    """``POST /parameterizedSearch`` with ``{"q": "Acme", "sobjects": [{"name": "Account"}]}``."""
    return _parameterized(call, call.request.json_object())


def _settings(asked: Mapping[str, str], name: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        each: asked[f"{name}.{each}"] for each in ("limit", "where", "orderBy") if f"{name}.{each}" in asked
    }
    return {"name": name, "fields": _split(asked.get(f"{name}.fields")), **found}


def _split(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _parameterized(call: Call, asked: Mapping[str, Any]) -> Response:
    """The same search as SOSL, so that one reader judges whatever the parameters hold."""
    terms = _required(asked.get("q")).replace("\\", "\\\\").replace("}", "\\}")
    scope = _text(asked.get("in") or "ALL").removesuffix(" FIELDS")
    parts = [_returning(each, asked) for each in _listed(asked.get("sobjects"))]
    returning = f" RETURNING {', '.join(parts)}" if parts else ""
    limit = _number(asked.get("overallLimit"), _DEFAULT_LIMIT)
    return _answer(call, sosl.parse(f"FIND {{{terms}}} IN {scope} FIELDS{returning} LIMIT {limit}"))


def _returning(settings: Any, asked: Mapping[str, Any]) -> str:
    if isinstance(settings, str):
        settings = {"name": settings}
    if not isinstance(settings, Mapping) or not settings.get("name"):
        raise ApiError("MALFORMED_SEARCH", "A sobject of a search needs a name")
    fields = _listed(settings.get("fields")) or _listed(asked.get("fields")) or ["Id"]
    parts = [", ".join(_text(each) for each in fields)]
    if settings.get("where"):
        parts.append(f"WHERE {_text(settings['where'])}")
    if settings.get("orderBy"):
        parts.append(f"ORDER BY {_order(settings['orderBy'])}")
    limit = _number(settings.get("limit"), _number(asked.get("defaultLimit"), _DEFAULT_LIMIT))
    return f"{_text(settings['name'])}({' '.join(parts)} LIMIT {limit})"


def _order(given: Any) -> str:
    """Text, or ``[{"field": "Name", "direction": "ASC", "nulls": "LAST"}]`` in a body."""
    if isinstance(given, str):
        return given
    return ", ".join(_order_of(each) for each in _listed(given))


def _order_of(given: Any) -> str:
    if not isinstance(given, Mapping):
        return _text(given)
    nulls = f" NULLS {_text(given['nulls'])}" if given.get("nulls") else ""
    return f"{_text(given.get('field'))} {_text(given.get('direction') or 'ASC')}{nulls}"


def _listed(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, list) else [given]


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise ApiError("JSON_PARSER_ERROR", f"A text is needed, not {given!r}")
    return given


def _number(given: Any, default: int) -> int:
    if given is None or given == "":
        return default
    text = str(given)
    if isinstance(given, bool) or not (text.isascii() and text.isdigit()):
        raise ApiError("MALFORMED_SEARCH", f"A limit should be a whole number, not {text}")
    return int(text[:12])


def _required(given: Any) -> str:
    if given is None or not _text(given).strip():
        raise ApiError("MALFORMED_SEARCH", "A search string has to be specified")
    return _text(given)


def _answer(call: Call, wanted: sosl.Search) -> Response:
    found = searching.search(call.org, wanted, user_id=call.user_id)
    records = list(_written(call, found))
    return Response(200, {"searchRecords": records}, rows=len(records))


def _written(call: Call, found: Iterable[searching.Found]) -> Iterable[dict[str, Any]]:
    rows = Rows(call.org, call.root)
    for _, group in groupby(found, key=lambda each: id(each.columns)):
        records = list(group)
        yield from map(rows.writer(records[0].columns, None), (each.record for each in records))
