"""What becomes of a row whose parent is another row of its load, and is not saved?

It has its turn after its parent. Where nobody knows yet what became of the parent, the row waits for another try. Where
the parent has ended without being saved, the row goes all the same, since the record may be in the org from an earlier
load; if Salesforce does not find it, the row's entry says which row it was for and what became of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from airflow_sf_dedup.audit.base import RowReader
from airflow_sf_dedup.core.entries import WRITTEN, Action, Entry
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.sending.refusals import misses_a_record
from airflow_sf_dedup.journeys.sending.under_way import Answered

#: Why a row is not saved: nor is the row that it names as its parent.
PARENT_NOT_SAVED = "parent_not_saved"

#: With these a row may be sent later in the same try of its task, or be in the org already.
_OPEN = (Action.NOT_SENT, Action.UNKNOWN)

#: With these a record is in the org.
_THERE = WRITTEN | {Action.UNCHANGED}


@dataclass(frozen=True)
class ParentRows:
    """Looks at the parents of rows.

    :ivar unsettled: rows without a settled entry, each with its action: those that this process gave one.
    """

    load_id: str
    rows: RowReader
    entries: EntryMaker
    unsettled: Mapping[int, Action]

    def waiting(self, record: Record) -> Entry | None:
        """The entry of a row that waits for its parent; ``None``: it need not."""
        if record.kin is None:
            return None
        for parent in record.kin.parents:
            action = self.unsettled.get(parent)
            if action in _OPEN:
                words = _words(parent, action)
                return self.entries.entry(record, Action.NOT_SENT, reason=PARENT_NOT_SAVED, error_message=words)
        return None

    def explained(self, answered: Iterable[Answered[Record]], entries: list[Entry]) -> list[Entry]:
        """The entries, of which those say why that failed because a row of the load is not saved.

        :param answered: the rows, with what Salesforce said.
        """
        orphans = {each.row.row_number: _parents(each) for each in answered if _parents(each)}
        if not orphans:
            return entries
        actions = self.rows.actions(self.load_id, {parent for parents in orphans.values() for parent in parents})
        return [_explained(entry, orphans.get(entry.row_number, ()), actions) for entry in entries]


def _parents(answered: Answered[Record]) -> Sequence[int]:
    kin = answered.row.kin
    return kin.parents if kin and misses_a_record(answered.outcome) else ()


def _explained(entry: Entry, parents: Sequence[int], actions: Mapping[int, Action]) -> Entry:
    if entry.action is not Action.FAILED:
        return entry
    missing = next((each for each in parents if actions.get(each) not in _THERE), None)
    if missing is None:
        return entry
    return replace(entry, reason=PARENT_NOT_SAVED, error_message=_words(missing, actions.get(missing)))


def _words(parent: int, action: Action | None) -> str:
    """Row numbers alone: a key is a customer's value."""
    became = f"is {action}" if action else "had to go after it: the rows are each other's ancestors"
    return f"its parent, row {parent} of this load, {became}"
