"""Which records does a search find, and what does it show of them? A Search in, records out, sobject by sobject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_sf_dedup.emulator.query.layout import Node
from airflow_sf_dedup.emulator.query.querying import prepare
from airflow_sf_dedup.emulator.query.search_terms import Matches, digits, read_terms, words
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.soql.sosl import MOST_FOUND, Search
from airflow_sf_dedup.emulator.soql.tree import Path, Query, Selected
from airflow_sf_dedup.emulator.state.org import Org

_SEARCHED = frozenset({"string", "textarea", "email", "phone", "url"})


@dataclass(frozen=True, slots=True)
class Found:
    """A record, and what to show of it."""

    columns: tuple[Node, ...]
    record: Record


def search(org: Org, wanted: Search, *, user_id: str | None = None) -> list[Found]:
    """The records found, those of one sobject after those of another.

    :raises ApiError: INVALID_SEARCH, or what a query with such a RETURNING would be refused for.
    """
    matches = read_terms(wanted.terms)
    returning = wanted.returning or tuple(_everything(org))
    with org.lock:
        found = [each for query in returning for each in _of_one(org, query, matches, wanted.scope, user_id)]
    return found[: min(wanted.limit, MOST_FOUND)]


def _everything(org: Org) -> list[Query]:
    selected = (Selected(Path(("Id",))),)
    return [Query(selected, Path((each.name,))) for each in org.schema if each.queryable]


def _of_one(org: Org, query: Query, matches: Matches, scope: str, user_id: str | None) -> list[Found]:
    prepared = prepare(org, query, user_id=user_id)
    prepared.narrow(_test(prepared.sobject, matches, scope))
    answer = prepared.answer()
    return [Found(answer.columns, record) for record in answer.records]


def _test(sobject: Sobject, matches: Matches, scope: str) -> Callable[[Record], bool]:
    fields = [(each.name, each.kind == "phone") for each in _fields(sobject, scope)]

    def test(record: Record) -> bool:
        return matches([_words(record[name], phone) for name, phone in fields if record.get(name)])

    return test


def _words(text: str, phone: bool) -> list[str]:
    found = words(text)
    return [*found, digits(found)] if phone else found


def _fields(sobject: Sobject, scope: str) -> list[Field]:
    fields = [each for each in sobject.fields.values() if each.kind in _SEARCHED]
    if scope == "all":
        return fields
    kinds = {"email": ("email",), "phone": ("phone",), "name": (), "sidebar": ("email", "phone")}[scope]
    names = {"name", "sidebar"} & {scope}
    return [each for each in fields if each.kind in kinds or (names and _names_the_record(sobject, each))]


def _names_the_record(sobject: Sobject, field: Field) -> bool:
    return field.name_field or field.name in sobject.name_parts
