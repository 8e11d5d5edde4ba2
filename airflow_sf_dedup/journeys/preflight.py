"""Does the org fit the load? Asked before the first row is read, and for each column that shows up later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from airflow_sf_dedup.core.field_names import field_named
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.match_keys import MatchRule, match_fields
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.values import NUMBER_TYPES
from airflow_sf_dedup.core.wording import listed, nearest, shown
from airflow_sf_dedup.errors import PreflightError
from airflow_sf_dedup.journeys.columns import ColumnFinder, DescribesParent, check_columns, no_parents
from airflow_sf_dedup.journeys.match_settings import check_match_columns, match_rule
from airflow_sf_dedup.sources.columns import Column

#: Types that Salesforce lets be External IDs (Text, Email, Number, Auto Number) or that ``idLookup`` marks.
_KEY_TYPES = NUMBER_TYPES | {"string", "email", "phone", "url", "reference", "picklist", "encryptedstring"}


@dataclass(frozen=True, slots=True)
class Fit:
    """How the load maps onto the org."""

    key_rule: KeyRule
    #: Source column to field or parent, of the columns that are sent.
    columns: Mapping[str, Column]
    #: Finds further columns.
    finder: ColumnFinder
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
    own_name: Callable[[str], str] = str,
    parents: DescribesParent = no_parents,
    allow_non_unique_key: bool = False,
    newer_than: str | None = None,
) -> Fit:
    """Check sObject, key field and columns against what the org says of itself.

    :param columns: all columns of the source, or ``None`` where they are not known beforehand.
    :param own_name: what the source itself calls a column, where it was renamed.
    :param parents: what the org says of the parents that columns name by their own fields; asked once for each.
    :param newer_than: the column that tells how new a row is; it need be no field of the sObject.
    :raises PreflightError: the org does not fit; names the parameter or every offending column.
    """
    key_rule = check_key(describe, external_id_field, allow_non_unique_key=allow_non_unique_key)
    finder = ColumnFinder(describe, key_rule, cache(parents), own_name)
    fit = fit_columns(finder, columns or (), newer_than=newer_than)
    if columns is not None:
        _check_key_columns(fit)
        check_order_column(fit, newer_than)
    return fit


def _check_key_columns(fit: Fit) -> None:
    """Refuse a source without the columns of the key."""
    rule = fit.key_rule
    if isinstance(rule, MatchRule):
        check_match_columns(rule, fit.columns, all_told=True)
    elif rule.field.name not in {column.field.name for column in fit.columns.values()}:
        raise PreflightError(
            f"source: no column {rule.field.name}, the external-ID field; without it no row has a key"
            f"{nearest(rule.field.name, fit.columns)}",
            setting="source",
        )


def fit_columns(finder: ColumnFinder, columns: Sequence[str], *, newer_than: str | None = None) -> Fit:
    """How these columns of the source map onto the org.

    :raises PreflightError: as :func:`~airflow_sf_dedup.journeys.columns.check_columns`.
    """
    order_column = None if newer_than is None else _spelled(finder.describe, newer_than, columns)
    sent = check_columns(finder, columns, order_column=order_column)
    if isinstance(finder.key_rule, MatchRule):
        check_match_columns(finder.key_rule, sent, all_told=False)
    return Fit(finder.key_rule, sent, finder, order_column)


def check_order_column(fit: Fit, newer_than: str | None) -> None:
    """Refuse a ``newer_than`` that is no column of the source.

    :raises PreflightError: names the columns there are.
    """
    if newer_than is None or fit.order_column is not None:
        return
    raise PreflightError(
        f"newer_than: the source has no column {shown(newer_than)!r}{nearest(newer_than, fit.names)}; "
        f"it has: {listed(map(shown, fit.names)) or 'none'}",
        setting="newer_than",
    )


def _spelled(describe: SObject, wanted: str, columns: Sequence[str]) -> str | None:
    """The column that a setting names, as the source spells it: by its own name, else by that of its field."""
    if wanted in columns:
        return wanted
    by_name = next((name for name in columns if name.lower() == wanted.strip().lower()), None)
    return by_name or _of_one_field(describe, wanted, columns)


def _of_one_field(describe: SObject, wanted: str, columns: Sequence[str]) -> str | None:
    meant = field_named(describe, wanted)
    if meant is None:
        return None
    named = ((name, field_named(describe, name)) for name in columns)
    return next((name for name, found in named if found is not None and found.field == meant.field), None)


def check_key(describe: SObject, external_id_field: str, *, allow_non_unique_key: bool) -> KeyRule:
    """How rows are identified: by the field of that name, or by the fields that ``match_on(…)`` has.

    :raises PreflightError: the sObject cannot be upserted, or the field cannot be relied on as a key.
    """
    _check_writable(describe)
    if names := match_fields(external_id_field):
        return match_rule(describe, names)
    return KeyRule(_check_key_field(describe, external_id_field, allow_non_unique_key=allow_non_unique_key))


def _check_writable(describe: SObject) -> None:
    if not (describe.createable and describe.updateable):
        lacking = "created" if not describe.createable else "updated"
        raise PreflightError(
            f"sobject: {describe.name} records cannot be {lacking} by this user; "
            "an upsert needs permission for both, or it is an object that Salesforce writes itself",
            setting="sobject",
        )


def _check_key_field(describe: SObject, external_id_field: str, *, allow_non_unique_key: bool) -> Field:
    """The field that identifies rows."""
    field = describe.field(external_id_field)
    if field is None:
        raise _key_error(
            f"{describe.name} has no field {external_id_field!r} that this user can see"
            f"{nearest(external_id_field, (field.name for field in describe.fields))}."
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


def _its_external_ids(describe: SObject) -> str:
    names = [field.name for field in describe.fields if field.external_id]
    return f" External IDs of {describe.name}: {listed(names)}" if names else ""


def _key_error(message: str) -> PreflightError:
    return PreflightError(f"external_id_field: {message}", setting="external_id_field")
