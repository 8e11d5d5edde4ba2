"""Must a row wait, because of another row of its load, for another try?

A row has its turn after its parents and after the suspected twin before it. Where nobody knows yet what became of one
of them, it waits: a child would fail for nothing, and a twin would be compared with a row that may get into the org a
moment later. Whatever else became of them, the row goes: a parent may be in the org from an earlier load, and a twin
has a key of its own. So it does where the twin before it is kept back by a row that failed: the failed row is known not
to be in the org, and this one would wait for ever.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass

from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.records import Kin, Record
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.parents import PARENT_NOT_SAVED, words_of_parent

#: Why a row is not sent: it may be a twin of one of which nobody knows yet whether it is saved.
TWIN_NOT_SETTLED = "twin_not_settled"

#: With these a row may be sent later in the same try of its task, or be in the org already.
_OPEN = (Action.NOT_SENT, Action.UNKNOWN)


@dataclass(frozen=True)
class KinWaits:
    """Looks at the rows that a row goes after.

    :ivar unsettled: rows without a settled entry, each with its action: those that this process gave one.
    :ivar behind_failed: those of them that wait behind a row of their key that failed.
    :ivar unknown: rows that may be in the org: they are sent all the same, so that what is known of them is not lost.
    """

    entries: EntryMaker
    unsettled: Mapping[int, Action]
    behind_failed: Container[int] = ()
    unknown: Container[int] = ()

    def waiting(self, record: Record) -> Entry | None:
        """The entry of a row that waits; ``None``: it need not."""
        kin = None if record.row_number in self.unknown else record.kin
        for reason, words in self._open(kin) if kin else ():
            return self.entries.entry(record, Action.NOT_SENT, reason=reason, error_message=words)
        return None

    def _open(self, kin: Kin) -> Iterator[tuple[str, str]]:
        """Why it waits: a reason, and the row that it waits for."""
        for parent in kin.parents:
            if action := self._open_action(parent):
                yield PARENT_NOT_SAVED, words_of_parent(parent, action)
        if kin.twin_before is not None and (action := self._open_action(kin.twin_before)):
            yield TWIN_NOT_SETTLED, f"row {kin.twin_before} of this load, which may be its twin, is {action}"

    def _open_action(self, row: int) -> Action | None:
        action = self.unsettled.get(row)
        return action if action in _OPEN and row not in self.behind_failed else None
