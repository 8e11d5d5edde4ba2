"""Why was a parent not found that is another row of the load?

Where a parent has ended without being saved, its child goes all the same, since the record may be in the org from an
earlier load. If Salesforce does not find it, the child's entry says which row it was and what became of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from airflow_sf_dedup.audit.base import RowReader
from airflow_sf_dedup.core.entries import WRITTEN, Action, Entry
from airflow_sf_dedup.core.outcomes import Failed, Outcome
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.sending.refusals import misses_a_record
from airflow_sf_dedup.journeys.sending.under_way import Answered

#: Why a row is not saved: nor is the row that it names as its parent.
PARENT_NOT_SAVED = "parent_not_saved"

#: How Salesforce ends its refusal of a key that no record has: ``… not found for field Key__c in entity Account``.
_OF_SOBJECT = re.compile(r" in entity (\w+)\W*$", re.IGNORECASE)

#: With these a record is in the org.
_THERE = WRITTEN | {Action.UNCHANGED}


@dataclass(frozen=True)
class ParentRows:
    """Looks at the parents of rows that failed."""

    load_id: str
    #: Of the load, and so of its parents.
    sobject: str
    rows: RowReader

    def explained(self, answered: Iterable[Answered[Record]], entries: list[Entry]) -> list[Entry]:
        """The entries, of which those say why that failed because a row of the load is not saved.

        :param answered: the rows, with what Salesforce said.
        """
        orphans = {each.row.row_number: found for each in answered if (found := self._parents(each))}
        if not orphans:
            return entries
        actions = self.rows.actions(self.load_id, {parent for parents in orphans.values() for parent in parents})
        return [_explained(entry, orphans.get(entry.row_number, ()), actions) for entry in entries]

    def _parents(self, answered: Answered[Record]) -> Sequence[int]:
        kin, outcome = answered.row.kin, answered.outcome
        if kin is None or not misses_a_record(outcome) or _is_of_another(outcome, self.sobject):
            return ()
        return kin.parents


def _is_of_another(outcome: Outcome, sobject: str) -> bool:
    """Whether the record that is missing is surely none of the load: its refusal names another sObject."""
    named = _OF_SOBJECT.search(outcome.message) if isinstance(outcome, Failed) else None
    return named is not None and named[1].lower() != sobject.lower()


def _explained(entry: Entry, parents: Sequence[int], actions: Mapping[int, Action]) -> Entry:
    if entry.action is not Action.FAILED:
        return entry
    missing = next((each for each in parents if actions.get(each) not in _THERE), None)
    if missing is None:
        return entry
    return replace(entry, reason=PARENT_NOT_SAVED, error_message=words_of_parent(missing, actions.get(missing)))


def words_of_parent(parent: int, action: Action | None) -> str:
    """What became of a parent. Row numbers alone: a key is a customer's value."""
    became = f"is {action}" if action else "had to go after it: the rows are each other's ancestors"
    return f"its parent, row {parent} of this load, {became}"
