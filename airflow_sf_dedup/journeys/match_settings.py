"""May rows be found by these fields (``match_on``)? Asked of the org before anything is staged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airflow_sf_dedup.core.match_keys import MATCH_TYPES, MatchRule
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.wording import listed, nearest, shown
from airflow_sf_dedup.errors import PreflightError
from airflow_sf_dedup.sources.columns import Column, FieldColumn

#: What is said in the log of every load that goes by ``match_on``.
WEAKER = (
    "%s is no external ID: the org does not keep it unique. Whoever creates such a record at the same time by another "
    "way makes a second one, and a record whose values change is not found again"
)


def match_rule(describe: SObject, names: Sequence[str]) -> MatchRule:
    """The rule of a key that is made of these fields.

    :raises PreflightError: one of them cannot be read, written or asked for; names the field and why.
    """
    found = {name: describe.field(name) for name in names}
    if unknown := [name for name, field in found.items() if field is None]:
        near = listed(
            unknown, say=lambda name: f"{shown(name)}{nearest(name, (each.name for each in describe.fields))}"
        )
        raise _refused(f"{describe.name} has no field that this user can see and that is called {near}")
    fields = [field for field in found.values() if field is not None]
    for field in fields:
        if why := _why_not(field):
            raise _refused(f"{describe.name}.{field.name} {why}")
    return MatchRule.of(fields)


def check_match_columns(rule: MatchRule, columns: Mapping[str, Column], *, all_told: bool) -> None:
    """The columns that hold the values of the key.

    :param all_told: these are all columns of the source.
    :raises PreflightError: one is missing, or names a parent by a key of it, which no query compares with an id.
    """
    by_field = {column.field.name: column for column in columns.values()}
    for name in rule.names:
        column = by_field.get(name)
        if column is None and all_told:
            raise PreflightError(
                f"source: no column {name}, which match_on names; without it no row has a key{nearest(name, columns)}",
                setting="source",
            )
        if column is not None and not isinstance(column, FieldColumn):
            raise _refused(
                f"the column {shown(column.name)} names {name} by a key of the parent; give the source a column {name} "
                "with its id"
            )


def _why_not(field: Field) -> str | None:
    if field.type not in MATCH_TYPES:
        return f"is of type {field.type}, by which no record can be told from others"
    if not field.filterable:
        return "cannot be asked for by a query: it is encrypted, computed, or a long text"
    if not field.createable:
        return (
            "cannot be written by this user (computed, an auto number, or field-level security): a record created by "
            "the load would not be found again"
        )
    return None


def _refused(message: str) -> PreflightError:
    return PreflightError(f"match_on: {message}", setting="match_on")
