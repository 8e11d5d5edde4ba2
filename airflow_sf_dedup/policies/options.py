"""How options of policies are read: lists of names, and mappings to policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any, TypeVar

from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies.base import Policy

K = TypeVar("K")


def names(given: object, *, option: str, what: str) -> tuple[str, ...]:
    """A list of names, in its order; a set is sorted, so that it is spelled the same in every process.

    :param option: such as ``update_existing: fields``.
    :param what: what the names are, such as ``field names``.
    :raises SettingError: it is no list, it is empty, or a name is no text.
    """
    ordered = sorted(given, key=str) if isinstance(given, Set) else given
    read = tuple(ordered) if isinstance(ordered, Iterable) and not isinstance(ordered, str | Mapping) else ()
    if not read or not all(isinstance(name, str) for name in read):
        raise SettingError(f"{option}={given!r} is not a list of {what}", setting="on_duplicate")
    return read


def policies_by(
    given: object, *, name: str, example: str, read_key: Callable[[Any], K], same: Callable[[K], object]
) -> Iterator[tuple[K, Policy]]:
    """A combinator's mapping to policies in any spelling, in its order.

    :param name: of the combinator.
    :param example: a mapping as it should be.
    :param read_key: raises ``ValueError`` for what is no key.
    :param same: two keys for which it answers the same are one.
    :raises SettingError: it is no such mapping, it is empty, two keys are one, or a policy cannot be read.
    """
    from airflow_sf_dedup.policies.grammar import read_policy  # the grammar reads policies, combinators among them

    seen = set[object]()
    for key in _keys(given, name, example):
        try:
            read = read_key(key)
        except ValueError:
            raise _no_mapping(given, name, example) from None
        if same(read) in seen:
            raise SettingError(f"{name}: {key!r} is there twice; which policy is asked?", setting="on_duplicate")
        seen.add(same(read))
        yield read, read_policy(given[key])  # type: ignore[index]


def named_key(key: object) -> str:
    """A key that is an API name or a DeveloperName; Salesforce does not tell them apart by case.

    :raises ValueError: it is no text, or blank.
    """
    if not isinstance(key, str) or not key.strip():
        raise ValueError
    return key.strip()


def _keys(given: object, name: str, example: str) -> list[Any]:
    if not isinstance(given, Mapping) or not given:
        raise _no_mapping(given, name, example)
    return list(given)


def _no_mapping(given: object, name: str, example: str) -> SettingError:
    return SettingError(f"{name}: {given!r} is no mapping to policies such as {example}", setting="on_duplicate")
