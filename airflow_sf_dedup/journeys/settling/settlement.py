"""Settle blocked rows: name, read, decide, carry out, remember. Every row that comes in leaves with one entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from airflow_sf_dedup.audit.base import EntryWriter
from airflow_sf_dedup.core.cautions import with_shared_mailboxes
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.decisions import Decision, DuplicateCase
from airflow_sf_dedup.core.entries import Entry
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Outcome, Saved
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.key_conflicts import needs_re_read
from airflow_sf_dedup.journeys.sending.under_way import Answered
from airflow_sf_dedup.journeys.settling.blocked import Blocked, Settling
from airflow_sf_dedup.journeys.settling.book import Book
from airflow_sf_dedup.journeys.settling.cases import Cases
from airflow_sf_dedup.journeys.settling.deciding import decide_on
from airflow_sf_dedup.journeys.settling.naming import Naming, named, still_blocked, unnamed
from airflow_sf_dedup.journeys.settling.stale_rules import StaleRules
from airflow_sf_dedup.policies.base import Policy, needs_fresh_rules


class CarriesOut(Protocol):
    """Carries out one kind of decision."""

    def carry_out(self, items: Sequence[Settling], book: Book) -> list[DuplicateCase]:
        """Close the rows in the book; answers the cases whose decision was refused, to be decided anew.

        :raises CallError: a call failed for good.
        """


@dataclass
class Settlement:
    """Settles blocked rows of one load by one policy.

    :ivar carries_out: kind of decision to what carries it out, in this order: what writes nothing comes first.
    :ivar is_fresh: what rules found was asked a moment ago, and is not asked anew.
    """

    load_id: str
    key_field: str
    naming: Naming
    cases: Cases
    policy: Policy
    carries_out: Mapping[type[Decision], CarriesOut]
    entries: EntryMaker
    sink: EntryWriter
    stale_rules: StaleRules
    is_fresh: bool = False
    #: Told the rows before anything is asked or written for them; a ``CallError`` of it gives them up.
    before: Callable[[Sequence[Blocked]], None] = lambda rows: None
    _contested: list[Answered[Record]] = field(default_factory=list, init=False)

    def settle(self, blocked: Sequence[Blocked]) -> list[Entry]:
        """Settle the rows; answers their entries, all of them committed.

        :raises CallError: a call failed for good. Every row has its committed entry all the same.
        """
        book = Book(blocked, partial(self.sink.remember, self.load_id))
        cases: dict[int, DuplicateCase] = {}
        try:
            self.before(blocked)
            asks_anew = needs_fresh_rules(self.policy) and not self.is_fresh
            rows = self._name(unnamed(blocked) if asks_anew else blocked, book)
            book.read_at = utc_now()
            open_cases = with_shared_mailboxes(self.cases.read(rows))
            cases = {case.record.row_number: case for case in open_cases}
            open_cases = self.stale_rules.told(open_cases)
            while open_cases:
                kinds = tuple(self.carries_out)
                open_cases = self._carry_out([decide_on(case, self.policy, kinds) for case in open_cases], book)
        except CallError as error:
            book.doubt(self.naming.left)
            book.close([self._given_up(row, error, book, cases.get(number)) for number, row in book.open.items()])
            raise
        finally:
            self._contested += book.contested
        return book.done

    def contested(self) -> list[Answered[Record]]:
        """The rows without an entry that a unique value kept out, since this was asked last; no error hides them."""
        rows, self._contested = self._contested, []
        return rows

    def _name(self, blocked: Sequence[Blocked], book: Book) -> list[Blocked]:
        """The rows that are blocked still, with what blocks them; the others are closed, or handed back."""
        rows = named(blocked)
        for batch in self.naming.name(blocked):
            for each in batch:
                if needs_re_read(each, self.key_field):
                    book.hand_back(each)
            told = [each for each in batch if not needs_re_read(each, self.key_field)]
            kept = still_blocked(told)
            numbers = {each.record.row_number for each in kept}
            book.close(self._looked_up(a.row, a.outcome) for a in told if a.row.row_number not in numbers)
            book.replace(kept)
            rows += kept
            book.doubt(each.sent for each in told)
        return rows

    def _looked_up(self, record: Record, outcome: Outcome) -> Entry:
        if isinstance(outcome, Saved):
            return self.entries.saved(record, outcome, reason="resolved_on_lookup")
        assert not isinstance(outcome, DuplicatesFound)  # noqa: S101 - narrows the union
        return self.entries.not_saved(record, outcome)

    def _carry_out(self, items: Sequence[Settling], book: Book) -> list[DuplicateCase]:
        refused: list[DuplicateCase] = []
        for kind, carries_out in self.carries_out.items():
            some = [each for each in items if isinstance(each.decided.decision, kind)]
            if some:
                refused += carries_out.carry_out(some, book)
        return refused

    def _given_up(self, row: Blocked, error: CallError, book: Book, case: DuplicateCase | None) -> Entry:
        in_doubt = book.is_in_doubt(row.record.row_number)
        return self.entries.given_up(row.record, error, in_doubt=in_doubt, case=case)
