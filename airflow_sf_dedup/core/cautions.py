"""What should a person who decides about a match know of it? Words, computed once when a row goes to a person.

Each follows from what was read anyway, but for those about children of a match: these take calls of their own, and are
told only where a load names what to count (``count_children``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from airflow_sf_dedup.core.decisions import DuplicateCase, MatchedRecord
from airflow_sf_dedup.core.likeness import Likeness, is_blank, likeness
from airflow_sf_dedup.core.ordering import UnusableOrder, kind_of, order_of
from airflow_sf_dedup.core.person_names import disagree, person_name
from airflow_sf_dedup.core.sobjects import SObject


class Caution(StrEnum):
    """Why a match may be another one than it seems."""

    #: The row and the record bear names that cannot be one person's.
    NAMES_DISAGREE = "names_disagree"
    #: People of other names hold an e-mail address of the match: other matches, or rows that are settled with this one.
    SHARED_MAILBOX = "shared_mailbox"
    #: The record was written after the state that the row has (``newer_than``).
    MATCH_IS_NEWER = "match_is_newer"
    #: The row names another owner than the record has.
    ANOTHER_OWNER = "another_owner"
    #: A rule found more records than it names.
    MORE_MATCHES_THAN_NAMED = "more_matches_than_named"
    #: Open opportunities hang on the match.
    OPEN_OPPORTUNITIES = "open_opportunities"
    #: More than :data:`MANY` records hang on the match, over all that is counted.
    MANY_CHILDREN = "many_children"


#: Children that a person should know of begin beyond this number.
MANY = 10


def cautions(case: DuplicateCase, match: MatchedRecord) -> tuple[Caution, ...]:
    """What is to be said of one match of a case, in the order of :class:`Caution`."""
    children = case.children.get(match.record_id, {})
    told = {
        Caution.NAMES_DISAGREE: disagree(person_name(case.record.fields), person_name(match.values)),
        Caution.SHARED_MAILBOX: not case.shared_mailboxes.isdisjoint(_mailboxes(match.values, case.described)),
        Caution.MATCH_IS_NEWER: _is_newer(match, case.record.order),
        Caution.ANOTHER_OWNER: _has_another_owner(case, match),
        Caution.MORE_MATCHES_THAN_NAMED: not case.all_named,
        Caution.OPEN_OPPORTUNITIES: any(children.get(each) for each in children if each.lower() == "opportunity"),
        Caution.MANY_CHILDREN: sum(children.values()) > MANY,
    }
    return tuple(caution for caution, holds in told.items() if holds)


def with_shared_mailboxes(cases: Iterable[DuplicateCase]) -> list[DuplicateCase]:
    """The cases, each with the e-mail addresses that people of different names hold, over all of them."""
    told = list(cases)
    people: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for case in told:
        for fields in (case.record.fields, *(match.values for match in case.matched)):
            for address in _mailboxes(fields, case.described):
                people[address].add(person_name(fields))
    shared = frozenset(address for address, names in people.items() if _differ(names))
    return [replace(case, shared_mailboxes=shared) for case in told]


def _differ(names: set[tuple[str, ...]]) -> bool:
    some = list(names)
    return any(disagree(one, other) for place, one in enumerate(some) for other in some[place + 1 :])


def _mailboxes(fields: Mapping[str, Any], described: SObject | None) -> Iterator[str]:
    for name, value in fields.items():
        field = described.field(name) if described else None
        is_mail = field.type == "email" if field else name.lower() == "email"
        if is_mail and isinstance(value, str) and not is_blank(value):
            yield value.strip().lower()


def _is_newer(match: MatchedRecord, order: str | None) -> bool:
    """Compared only with a time: a counter of the source says nothing of the org's clock."""
    if order is None or kind_of(order) != "time":
        return False
    try:
        written = order_of(match.values.get("LastModifiedDate"))
    except UnusableOrder:
        return False
    return kind_of(written) == "time" and written > order


def _has_another_owner(case: DuplicateCase, match: MatchedRecord) -> bool:
    own, theirs = _owner(case.record.fields), _owner(match.values)
    if is_blank(own) or is_blank(theirs):
        return False
    field = case.described.field("OwnerId") if case.described else None
    return likeness(own, theirs, field) is Likeness.OTHER


def _owner(values: Mapping[str, Any]) -> Any:
    return next((value for name, value in values.items() if name.lower() == "ownerid"), None)
