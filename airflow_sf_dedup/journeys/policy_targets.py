"""May a policy write what it names: fields of another sObject, and look-up fields that the load need not carry?

Asked before anything is sent. What a policy reads of the row is checked in
:mod:`airflow_sf_dedup.journeys.field_settings`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from airflow_sf_dedup.core.correspondence import comparable
from airflow_sf_dedup.core.field_names import field_named, nearest_fields
from airflow_sf_dedup.core.match_keys import match_fields
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.wording import shown
from airflow_sf_dedup.errors import PreflightError, SettingError
from airflow_sf_dedup.policies import Policy
from airflow_sf_dedup.policies.base import OtherFields, lookup_fields, other_fields

#: A stamp is looked for by query, in which no long text can stand.
_NOT_ASKED_FOR = frozenset({"textarea", "encryptedstring", "multipicklist"})


def check_lookup_fields(policy: Policy, described: SObject) -> None:
    """Every look-up field that a policy fills in is one that the user may write.

    :raises SettingError: names the field.
    """
    for name in lookup_fields(policy):
        field = _seen(described, name)
        if field.type != "reference" or not field.holds_ids:
            raise _unusable(f"{described.name}.{field.name} is no look-up field that holds the ids of records")
        if not (field.createable and field.updateable):
            raise _unusable(f"{described.name}.{field.name} cannot be written by this user")


def check_mapped_fields(policy: Policy, described: SObject, columns: Iterable[str]) -> None:
    """No policy writes a parent that a row names by its key to another sObject, which has other parents.

    :param columns: of the source, as far as they are sent.
    :raises SettingError: names the column.
    """
    found = {column: field_named(described, column) for column in columns}
    parents = {meant.field.name: column for column, meant in found.items() if meant and meant.names_parent}
    for name in (source for named in other_fields(policy) for source in named.sources):
        meant = field_named(described, name)
        if meant is not None and meant.field.name in parents:
            raise _unusable(
                f"update_other: the column {shown(parents[meant.field.name])} names a parent by its key, which "
                "cannot be written to another sObject; give the load a column of its id"
            )


def check_other_fields(policy: Policy, described: SObject, key_field: str, describe: Callable[[str], SObject]) -> None:
    """Every field of another sObject that a policy names is one that the user may write.

    :param described: the sObject of the rows.
    :param describe: one call for each sObject that a policy names.
    :raises SettingError: names the sObject or the field.
    :raises CallError: the org does not answer.
    """
    key, ask = described.field(key_field), cache(lambda name: _described(describe, name))
    for named in other_fields(policy):
        if match_fields(key_field):
            raise _unusable(f"update_other stamps the row's key on a record, and there is no field for {key_field}")
        if named.sobject.lower() == described.name.lower():
            raise _unusable(f"update_other: {named.sobject} is the sObject of the rows: that is update_existing")
        _check_fields(named, ask(named.sobject), key)


def _described(describe: Callable[[str], SObject], name: str) -> SObject:
    try:
        return describe(name)
    except PreflightError as error:
        raise _unusable(f"the org has no sObject {shown(name)}, or the API user may not see it") from error


def _check_fields(named: OtherFields, other: SObject, key: Field | None) -> None:
    if not other.updateable:
        raise _unusable(f"{other.name} records cannot be updated by this user")
    for name in named.fields:
        _writable(other, name)
    stamp = _writable(other, named.stamp)
    if stamp.type in _NOT_ASKED_FOR or (key is not None and not comparable(key, stamp)):
        raise _unusable(
            f"stamp={other.name}.{stamp.name} is of type {stamp.type}, which cannot hold keys of "
            f"{key.name if key else 'the rows'}: give it a field of the same kind"
        )


def _writable(other: SObject, name: str) -> Field:
    field = _seen(other, name)
    if not field.updateable or field.type == "id":
        raise _unusable(f"{other.name}.{field.name} cannot be updated by this user")
    return field


def _seen(sobject: SObject, name: str) -> Field:
    field = sobject.field(name)
    if field is None:
        hint = nearest_fields(sobject, name)
        raise _unusable(f"{sobject.name} has no field {shown(name)} that this user can see{hint}")
    return field


def _unusable(why: str) -> SettingError:
    return SettingError(f"on_duplicate: {why}", setting="on_duplicate")
