"""Does the org fit the load? Asked before the first row is read, and for each column that shows up later."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.values import NUMBER_TYPES
from airflow_sf_dedup.errors import PreflightError
from airflow_sf_dedup.sources.columns import Column, ParentColumn, column_of

#: Types that Salesforce lets be External IDs (Text, Email, Number, Auto Number) or that ``idLookup`` marks.
_KEY_TYPES = NUMBER_TYPES | {"string", "email", "phone", "url", "reference", "picklist", "encryptedstring"}

#: Longest column name that is quoted in a message; longer ones are content, not names.
_NAME_CHARACTERS = 80

#: What spreadsheets put between cells.
_DELIMITERS = (";", "\t", "|", ",")


@dataclass(frozen=True, slots=True)
class Fit:
    """How the load maps onto the org."""

    key_rule: KeyRule
    #: Source column to field or parent, of the columns that are sent.
    columns: Mapping[str, Column]
    #: The column that ``newer_than`` names, as the source spells it; ``None`` as long as the source has none.
    order_column: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All columns of the source, sent or not."""
        unsent = () if self.order_column is None or self.order_column in self.columns else (self.order_column,)
        return (*self.columns, *unsent)


def check_sobject(
    describe: SObject,
    *,
    external_id_field: str,
    columns: Sequence[str] | None,
    allow_non_unique_key: bool = False,
    newer_than: str | None = None,
) -> Fit:
    """Check sObject, key field and columns against what the org says of itself.

    :param columns: all columns of the source, or ``None`` where they are not known beforehand.
    :param newer_than: the column that tells how new a row is; it need be no field of the sObject.
    :raises PreflightError: the org does not fit; names the parameter or every offending column.
    """
    key_field = check_key_field(describe, external_id_field, allow_non_unique_key=allow_non_unique_key)
    fit = fit_columns(describe, KeyRule(key_field), columns or (), newer_than=newer_than)
    if columns is not None and key_field.name not in {column.field.name for column in fit.columns.values()}:
        raise PreflightError(
            f"source: no column {key_field.name}, the external-ID field; without it no row has a key"
            f"{_nearest(key_field.name, columns)}",
            setting="source",
        )
    if columns is not None:
        check_order_column(fit, newer_than)
    return fit


def fit_columns(describe: SObject, key_rule: KeyRule, columns: Sequence[str], *, newer_than: str | None = None) -> Fit:
    """How these columns of the source map onto the org.

    :raises PreflightError: as :func:`check_columns`.
    """
    order_column = None if newer_than is None else _spelled(newer_than, columns)
    return Fit(key_rule, check_columns(describe, key_rule.field, columns, order_column=order_column), order_column)


def check_order_column(fit: Fit, newer_than: str | None) -> None:
    """Refuse a ``newer_than`` that is no column of the source.

    :raises PreflightError: names the columns there are.
    """
    if newer_than is None or fit.order_column is not None:
        return
    there_are = ", ".join(map(_shown, fit.names)) or "none"
    raise PreflightError(
        f"newer_than: the source has no column {newer_than!r}; it has: {there_are}", setting="newer_than"
    )


def _spelled(wanted: str, columns: Sequence[str]) -> str | None:
    """The column of that name in the source's spelling of case."""
    return wanted if wanted in columns else next((name for name in columns if name.lower() == wanted.lower()), None)


def check_key_field(describe: SObject, external_id_field: str, *, allow_non_unique_key: bool) -> Field:
    """The field that identifies rows.

    :raises PreflightError: the sObject cannot be upserted, or the field cannot be relied on as a key.
    """
    if not (describe.createable and describe.updateable):
        lacking = "created" if not describe.createable else "updated"
        raise PreflightError(
            f"sobject: {describe.name} records cannot be {lacking} by this user; "
            "an upsert needs permission for both, or it is an object that Salesforce writes itself",
            setting="sobject",
        )
    field = describe.field(external_id_field)
    if field is None:
        raise _key_error(
            f"{describe.name} has no field {external_id_field!r} that this user can see"
            f"{_nearest(external_id_field, (field.name for field in describe.fields))}."
            f"{_its_external_ids(describe)}"
        )
    _check_is_key(describe, field)
    if not field.unique and not allow_non_unique_key:
        raise _key_error(
            f"{describe.name}.{field.name} is not Unique: two upserts of one new key at the same time would "
            "silently create two records. Tick Unique on the field in Salesforce Setup, or accept the risk "
            "with allow_non_unique_key=True"
        )
    return field


def _check_is_key(describe: SObject, field: Field) -> None:
    if field.type == "id" or field.name.lower() == "id":
        raise _key_error("Id is no external ID: a row without it would be created again at every run")
    if not (field.external_id or field.id_lookup):
        raise _key_error(
            f"{describe.name}.{field.name} is not an External ID (nor has idLookup): tick External ID on the "
            f"field in Salesforce Setup.{_its_external_ids(describe)}"
        )
    if field.type not in _KEY_TYPES:
        raise _key_error(f"{describe.name}.{field.name} is of type {field.type}, which cannot be a key")
    if not field.createable:
        raise _key_error(
            f"{describe.name}.{field.name} cannot be written by this user (computed, an auto number, or field-"
            "level security): a record created by the load would not carry its key"
        )


def check_columns(
    describe: SObject, key_field: Field, columns: Iterable[str], *, order_column: str | None = None
) -> dict[str, Column]:
    """Where each source column goes.

    :param order_column: goes nowhere if it cannot be written.
    :raises PreflightError: names every other column that cannot be written, and why.
    """
    found = {name: column_of(describe, name) for name in columns}
    if order_column is not None and _problem(describe, key_field, order_column, found[order_column]):
        del found[order_column]
    if found and not any(found.values()):
        # Perhaps the first row of a file without header: do not repeat what may be customers' values.
        raise PreflightError(
            f"source: none of the {len(found)} columns is a field of {describe.name}; "
            f"is the first line a header with API names?{_other_delimiter(tuple(found))}",
            setting="source",
        )
    problems = [
        f"{_shown(name)} {problem}"
        for name, column in found.items()
        if (problem := _problem(describe, key_field, name, column))
    ]
    problems += _shared_fields(found)
    if problems:
        raise PreflightError(
            f"source: {describe.name} cannot take these columns: {'; '.join(problems)}", setting="source"
        )
    return {name: column for name, column in found.items() if column is not None}


def _other_delimiter(names: Sequence[str]) -> str:
    """A hint at a file whose whole header was taken for one column; shows the delimiter only."""
    likely = max(_DELIMITERS, key=names[0].count)
    if len(names) > 1 or likely not in names[0]:
        return ""
    return f" Its only column holds {likely!r}: if that stands between the cells, set delimiter={likely!r} in source"


def _problem(describe: SObject, key_field: Field, name: str, column: Column | None) -> str | None:
    """Why a column cannot be written, ``None`` for one that can."""
    if column is None:
        return _unknown(describe, name)
    field = column.field
    if field.type == "id":
        return f"is the record id, which an upsert by {key_field.name} may not carry: remove the column"
    if not (field.createable or field.updateable):
        return "is read-only for this user (computed, system-written, or field-level security)"
    return _parent_problem(column) if isinstance(column, ParentColumn) else None


def _parent_problem(column: ParentColumn) -> str | None:
    targets = column.field.reference_to
    if column.parent_sobject is not None:
        if column.parent_sobject.lower() not in {target.lower() for target in targets}:
            return f"names the parent {column.parent_sobject}, {column.field.name} takes {_any_of(targets)}"
        return None
    if column.parent_field is not None and len(targets) > 1:
        return (
            f"may be of {_any_of(targets)}: say which, as in "
            f"{targets[0]}:{column.field.relationship_name}.{column.parent_field}"
        )
    return None


def _unknown(describe: SObject, name: str) -> str:
    relationship, dot, _ = name.partition(".")
    if dot:
        parents = [field.relationship_name for field in describe.fields if field.relationship_name]
        return f"names no parent of {describe.name} by one field{_nearest(relationship, parents)}"
    return f"is no field that this user can see{_nearest(name, (field.name for field in describe.fields))}"


def _shared_fields(found: Mapping[str, Column | None]) -> list[str]:
    names: dict[str, list[str]] = {}
    for name, column in found.items():
        if column is not None:
            names.setdefault(column.field.name, []).append(_shown(name))
    return [f"{' and '.join(some)} are one field, {field}" for field, some in names.items() if len(some) > 1]


def _its_external_ids(describe: SObject) -> str:
    names = [field.name for field in describe.fields if field.external_id]
    return f" External IDs of {describe.name}: {', '.join(names)}" if names else ""


def _nearest(name: str, known: Iterable[str]) -> str:
    by_folded = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), by_folded, n=3, cutoff=0.6)
    return f" (nearest: {', '.join(by_folded[each] for each in near)})" if near else ""


def _any_of(names: Sequence[str]) -> str:
    return " or ".join(names)


def _shown(name: str) -> str:
    return name if len(name) <= _NAME_CHARACTERS else f"{name[:20]}… ({len(name)} characters)"


def _key_error(message: str) -> PreflightError:
    return PreflightError(f"external_id_field: {message}", setting="external_id_field")
