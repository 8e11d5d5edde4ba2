"""What became of rows, as entries that are committed; and which later rows of a key that holds back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from airflow_sf_dedup.audit.base import EntryWriter
from airflow_sf_dedup.core.entries import UNSETTLED, Action, Entry
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, Saved
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.collect import BEHIND_A_FAILED_ROW
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.key_conflicts import Conflict
from airflow_sf_dedup.journeys.progress import Progress
from airflow_sf_dedup.journeys.sending.claiming import HeldKeys
from airflow_sf_dedup.journeys.sending.clearance import PutOff
from airflow_sf_dedup.journeys.sending.known import LeftAlone
from airflow_sf_dedup.journeys.sending.under_way import Answered, UnderWay

#: Entries of rows that are not sent, written at a time.
ENTRIES_TOGETHER = 1000

#: A later row of a key waits behind these, and is ``held``.
AWAITS_A_PERSON = (Action.AWAITING_REVIEW, Action.HELD)

#: Actions of a row that keep later rows of its key back. Tuples: an enum's hash is slow, once a row.
_UNSETTLED = tuple(UNSETTLED)
_KEEPS_BACK = (*AWAITS_A_PERSON, *_UNSETTLED)


@dataclass
class Recorder:
    """Remembers the rows of one partition.

    :ivar sink: takes the entries; the audit itself, or what stands before it.
    :ivar stamped: record id to folded key, of the matched records that an earlier try of the load may have stamped.
    :ivar progress: told the entries of rows, call by call.
    """

    load_id: str
    key_rule: KeyRule
    sink: EntryWriter
    entries: EntryMaker
    keys: HeldKeys
    stamped: Mapping[str, str] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)
    #: Rows without a settled entry, each with its action: this process does not send them again, or not yet.
    unsettled: dict[int, Action] = field(default_factory=dict, init=False)
    #: Those of them that wait behind a row that failed: it is known of them that they are not in the org.
    behind_failed: set[int] = field(default_factory=set, init=False)
    #: Folded key to the action its later rows are held behind: that of the first row that keeps them back.
    _behind: dict[str, Action] = field(default_factory=dict, init=False)

    def record(self, entries: list[Entry]) -> None:
        """Commit entries."""
        if entries:
            self.sink.remember(self.load_id, entries)
            self.note(entries)

    def commit(self, entries: Sequence[Entry]) -> None:
        """Commit entries that keep no other row back."""
        if entries:
            self.sink.remember(self.load_id, entries)
            self.progress.note(entries)

    def note(self, entries: Iterable[Entry]) -> None:
        """Take notice of entries that are committed."""
        entries = list(entries)
        self.progress.note(entries)
        for entry in entries:
            if entry.action in _UNSETTLED:
                self.unsettled[entry.row_number] = entry.action
            if entry.action in _KEEPS_BACK and entry.key is not None:
                self._keep_back(self.key_rule.fold(entry.key), entry)

    def _keep_back(self, key: str, entry: Entry) -> None:
        """Later rows of a key wait for the row that keeps all of them back, and not for one that waits itself."""
        if entry.reason != BEHIND_A_FAILED_ROW:
            self._behind[key] = entry.action
        elif self._behind.setdefault(key, entry.action) is Action.FAILED:
            self.behind_failed.add(entry.row_number)

    def give_up(self, rows: Iterable[UnderWay[Record]], error: CallError) -> None:
        """Give rows that are not sent any more their entries.

        :param rows: read as they are remembered.
        """
        rows = iter(rows)
        while some := list(islice(rows, ENTRIES_TOGETHER)):
            may_be_sent = self.keys.may_have_been_sent([each.row for each in some if not each.in_doubt])
            entries = [
                self.entries.given_up(each.row, error, in_doubt=each.in_doubt or each.row.row_number in may_be_sent)
                for each in some
            ]
            self.commit(entries)

    def put_off(self, rows: Sequence[PutOff[Record]], unknown: frozenset[int]) -> None:
        """Rows that were not sent because of their keys; one that may be in the org is ``unknown``.

        :param unknown: rows that have such an entry already.
        """
        for each in rows:
            self._behind.setdefault(self.key_rule.fold(each.sent.row.key), Action.NOT_SENT)
            self.unsettled.setdefault(each.sent.row.row_number, Action.NOT_SENT)
        self.record([self._waits_for_key(each) for each in rows if each.sent.row.row_number not in unknown])

    # -- later rows of a key ----------------------------------------------------------------------

    def hold_back(self, record: Record, action: Action) -> None:
        """Later rows of the row's key wait, where such an action makes them, and so do its children and its twin."""
        if action in _UNSETTLED:
            self.unsettled[record.row_number] = action
        if action in _KEEPS_BACK:
            self._behind[self.key_rule.fold(record.key)] = action

    def waiting(self, record: Record) -> Entry | None:
        """The entry of a row that waits behind an earlier row of its key; ``None``: it need not."""
        blocker = self._behind.get(self.key_rule.fold(record.key)) if self._behind else None
        if blocker is None:
            return None
        if blocker in AWAITS_A_PERSON:
            return self.entries.entry(record, Action.HELD, reason="earlier_row_awaits_review")
        return self.entries.entry(record, Action.NOT_SENT, reason=BEHIND_A_FAILED_ROW)

    # -- entries ----------------------------------------------------------------------------------

    def entry(self, answered: Answered[Record], maker: EntryMaker, conflict: Conflict | None = None) -> Entry:
        """The entry of a row that is settled.

        :param conflict: with what its key's holders said of it.
        """
        entry = self._plain_entry(answered, maker, conflict)
        if answered.sent.attempts == 1:
            return entry
        return replace(entry, attempts=answered.sent.attempts, waited_seconds=answered.sent.waited)

    def _plain_entry(self, answered: Answered[Record], maker: EntryMaker, conflict: Conflict | None) -> Entry:
        outcome = answered.outcome
        if conflict is not None and conflict.left_alone and _is_left_alone(answered):
            return maker.entry(answered.row, conflict.left_alone.action, **conflict.left_alone.told)
        assert not isinstance(outcome, DuplicatesFound)  # noqa: S101 - narrows the union
        if isinstance(outcome, Saved):
            return self._saved(answered, outcome, maker, conflict)
        if conflict is None:
            return maker.not_saved(answered.row, outcome)
        holders = maker.holders(answered.row, conflict.holders, deleted=conflict.deleted)
        return maker.not_saved(answered.row, outcome, reason=conflict.reason, matches=holders)

    def _saved(self, answered: Answered[Record], outcome: Saved, maker: EntryMaker, conflict: Conflict | None) -> Entry:
        """An update may find by its key a record that an earlier try stamped, without living to say so."""
        record = answered.row
        claimed_for = self.stamped.get(outcome.record_id) if self.stamped else None
        if claimed_for is not None and not outcome.created and claimed_for == self.key_rule.fold(record.key):
            return maker.saved(record, outcome, Action.MATCHED_UPDATED, reason="stamped_by_an_earlier_try")
        if outcome.created is None:
            return maker.saved(record, outcome)
        if conflict is not None and isinstance(conflict.answered.outcome, Saved):
            return maker.saved(record, outcome, reason=conflict.reason)
        if answered.sent.in_doubt:
            return maker.saved(record, outcome, reason="answer_lost")
        return maker.saved(record, outcome)

    def left_alone(self, rows: Iterable[tuple[Record, LeftAlone]]) -> None:
        """Commit the entries of rows that are not sent, for what the org has of their keys."""
        self.record([self.entries.entry(row, left.action, **left.told) for row, left in rows])

    def _waits_for_key(self, each: PutOff[Record]) -> Entry:
        in_doubt = each.sent.in_doubt or each.holder.load_id == self.load_id
        return self.entries.put_off(each.sent.row, each.holder, in_doubt=in_doubt)


def _is_left_alone(answered: Answered[Record]) -> bool:
    """Whether no earlier call with the row, whose answer was lost, wrote it or may have."""
    if isinstance(answered.outcome, Saved):
        return not answered.outcome.created and not answered.sent.in_doubt
    return isinstance(answered.outcome, Failed)
