"""Do the settings that name fields name fields of this load?

A name may be spelled in every way in which a source column may: see :mod:`airflow_sf_dedup.core.field_names`. One that
means nothing is an error: a mask that masks nothing would be a silence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from airflow_sf_dedup.core.field_names import carried_as, field_named, nearest_fields, parts_of
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.wording import listed, shown
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.journeys.policy_targets import check_lookup_fields, check_mapped_fields
from airflow_sf_dedup.policies import Policy, read_policy
from airflow_sf_dedup.policies.base import named_fields


def policy_of(setting: Any, described: SObject, columns: Iterable[str], key_field: str) -> Policy:
    """The policy of ``on_duplicate``, where it fits the load.

    :param columns: of the source, as far as they are sent.
    :raises SettingError: it is none, names a field that the load does not carry, or one that cannot be written.
    """
    policy = read_policy(setting)
    check_policy_fields(policy, described, columns, key_field)
    check_lookup_fields(policy, described)
    check_mapped_fields(policy, described, columns)
    return policy


def check_policy_fields(policy: Policy, described: SObject, columns: Iterable[str], key_field: str) -> None:
    """Every field that a policy names is one that the load carries.

    :param columns: the columns of the source that are sent.
    :raises SettingError: names those that it does not carry, and the nearest ones.
    """
    carried = list(_fields_of(described, (*columns, key_field)))
    unknown = [name for name in named_fields(policy) if _not_among(carried, described, name)]
    if unknown:
        names = listed(unknown, say=lambda name: f"{shown(name)}{nearest_fields(described, name, carried)}")
        raise SettingError(
            f"on_duplicate: a policy names {names}, which the load does not carry", setting="on_duplicate"
        )


def masked_names(masked: Iterable[str], described: SObject, *key_fields: str) -> frozenset[str]:
    """The names, in lower case, under which rows and records can carry the values that are to be masked.

    :param described: all fields that the user sees: one that this load does not carry may be masked too.
    :raises SettingError: a name means nothing, or the key, which cannot be masked.
    """
    found = {name: field_named(described, name) for name in masked}
    unknown = [name for name, meant in found.items() if meant is None]
    if unknown:
        names = listed(unknown, say=lambda name: f"{shown(name)}{nearest_fields(described, name)}")
        raise _masking_error(f"{described.name} has no field that this user can see and that is called {names}")
    fields = [field for meant in found.values() if meant for field in (meant.field, *parts_of(described, meant.field))]
    for field in fields:
        if field.name in key_fields:
            raise _masking_error(f"{field.name} is the key, by which the audit knows its rows; it cannot be masked")
    return frozenset().union(*map(carried_as, fields))


def _fields_of(described: SObject, names: Iterable[str]) -> Iterator[Field]:
    return (found.field for name in names if (found := field_named(described, name)))


def _not_among(carried: Collection[Field], described: SObject, name: str) -> bool:
    return next(_fields_of(described, [name]), None) not in carried


def _masking_error(message: str) -> SettingError:
    return SettingError(f"masked_fields: {message}", setting="masked_fields")
