"""May something be done about a match of another sObject: may its record be written to, may the row be linked to it?

The certainty is that of :func:`airflow_sf_dedup.core.decisions.uncertainty`: one live match over all rules, all of
which name what they found. Where nothing but converted leads is met, the contact that they have become stands for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from airflow_sf_dedup.core.conversions import became
from airflow_sf_dedup.core.decisions import DuplicateCase, LinkRow, MatchedRecord, UpdateOther, no_single_match
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.likeness import is_blank


def why_not_updated(case: DuplicateCase, sobject: str, stamp: str) -> str | None:
    """Why a record of another sObject may not be written to, in one word; ``None``: it may.

    :param stamp: the field of that sObject that remembers the row's key.
    """
    if (contact := became(case)) is not None:
        return _why_not_this_one(contact, case, sobject, stamp)
    if (why := no_single_match(case)) == "key_already_held" and _is_begun(case, sobject, stamp):
        why = no_single_match(replace(case, key_holders=()))
    return why or _why_not_this_one(live_match(case), case, sobject, stamp)


def _is_begun(case: DuplicateCase, sobject: str, stamp: str) -> bool:
    """Whether an earlier try of the load has claimed the only live match and stamped the row's key on it.

    Another row of the key may have been saved since; what has become of this one is to be told all the same.
    """
    live = [record for record in case.matched if not record.is_gone]
    is_alone = len(live) == 1 and live[0].sobject.lower() == sobject.lower()
    return is_alone and live[0].is_claimed and is_stamped(live[0], case, stamp)


def _why_not_this_one(match: MatchedRecord, case: DuplicateCase, sobject: str, stamp: str) -> str | None:
    if match.sobject.lower() != sobject.lower() or sobject.lower() == case.sobject.lower():
        return "match_is_another_sobject"
    if match.is_gone:
        return "match_deleted"
    name = spelled(match, stamp)
    if not match.readable or name is None:
        return "match_unreadable"
    stamped = match.own_values[name]
    return None if is_blank(stamped) or is_key(case, stamped) else "match_carries_another_key"


def why_not_linked(case: DuplicateCase, sobjects: Iterable[str]) -> str | None:
    """Why the row may not point to the matched record, in one word; ``None``: it may.

    That a record holds the row's key already is no reason: it is the row's own, saved before.

    :param sobjects: those that the look-up field may point to.
    """
    if why := no_single_match(replace(case, key_holders=())):
        return why
    match = live_match(case)
    if match.record_id in case.key_holders:
        return "key_already_held"
    if match.sobject.lower() not in {name.lower() for name in sobjects}:
        return "match_is_another_sobject"
    return None if match.readable else "match_unreadable"


def may_be_stamped(decision: UpdateOther, case: DuplicateCase) -> bool:
    """Whether the decision writes to the one certain record, and stamps the row's key on it."""
    if why_not_updated(case, decision.sobject, decision.stamp) is not None:
        return False
    return match_to_update(case).record_id == decision.record_id and is_key(case, decision.fields.get(decision.stamp))


def may_be_linked(decision: LinkRow, case: DuplicateCase) -> bool:
    """Whether the decision lets the row point to the one certain record, by a field that may hold its id."""
    field = case.described.field(decision.field) if case.described else None
    if field is None or why_not_linked(case, field.reference_to) is not None:
        return False
    return live_match(case).record_id == decision.record_id


def match_to_update(case: DuplicateCase) -> MatchedRecord:
    """The one record that may be written to, where :func:`why_not_updated` knows of no reason why not."""
    return became(case) or live_match(case)


def live_match(case: DuplicateCase) -> MatchedRecord:
    """The one match that is not gone, where there is one."""
    return next(record for record in case.matched if not record.is_gone)


def is_stamped(match: MatchedRecord, case: DuplicateCase, stamp: str) -> bool:
    """Whether the record remembers the row's key: an earlier load, or an earlier try, wrote it."""
    name = spelled(match, stamp)
    return name is not None and is_key(case, match.own_values[name])


def spelled(match: MatchedRecord, name: str) -> str | None:
    """A field of the record as the org spells it; ``None``: it was not read."""
    return next((own for own in match.own_values if own.lower() == name.lower()), None)


def is_key(case: DuplicateCase, value: Any) -> bool:
    """Whether a value is the row's key, by the case rule of the key's own field."""
    field = case.described.field(case.external_id_field) if case.described else None
    if field is None:
        return str(value) == case.record.key
    rule = KeyRule(field)
    return rule.fold_stored(value) == rule.fold(case.record.key)


def linked(fields: Mapping[str, Any], carried_as: Iterable[str], name: str, record_id: str) -> Mapping[str, Any]:
    """The fields of a row that points to a record, whatever else it said of the look-up field.

    :param carried_as: the names, in lower case, under which a row can carry the field.
    """
    besides = frozenset(carried_as)
    return {**{key: value for key, value in fields.items() if key.lower() not in besides}, name: record_id}
