"""What a revert says of changes: which are open, which are ours to look at now, and what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.changes import ChangeId, ChangeLog, MadeChange, Mark
from airflow_sf_dedup.core.changes import IS_DELETED
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, Outcome
from airflow_sf_dedup.core.reverts import Left, RevertState
from airflow_sf_dedup.journeys.reverting.claiming import RevertClaims
from airflow_sf_dedup.journeys.reverting.fields import ChangedField, by_field
from airflow_sf_dedup.journeys.sending.refusals import fails_for_now

#: Rows that are told in the log.
MOST_EXAMPLES = 100


@dataclass(frozen=True, slots=True)
class Example:
    """A change that was not taken back."""

    load_id: str
    row_number: int
    record_id: str
    field: str
    reason: Left
    error_code: str | None = None


@dataclass
class Reverted:
    """What became of the changes, each of which is one field of one row, or a record that is new or live again."""

    #: Fields, taken back now.
    reverted: int = 0
    #: Taken back earlier, by this revert or another one.
    before: int = 0
    #: Whose fields were put back.
    records: set[str] = field(default_factory=set)
    #: Put into the recycle bin now.
    deleted: set[str] = field(default_factory=set)
    left: Counter[Left] = field(default_factory=Counter)
    #: The first ones.
    examples: list[Example] = field(default_factory=list)

    def note(self, load_id: str, made: MadeChange, mark: Mark) -> None:
        """Count one change."""
        if mark.state is RevertState.REVERTED:
            self._note_reverted(made)
            return
        reason = mark.reason or Left.NO_ANSWER
        self.left[reason] += 1
        if len(self.examples) < MOST_EXAMPLES:
            row, name = made.change.row_number, made.change.field
            self.examples.append(Example(load_id, row, made.record_id, name, reason, mark.error_code))

    def _note_reverted(self, made: MadeChange) -> None:
        if made.change.field == IS_DELETED:
            self.deleted.add(made.record_id)
        else:
            self.reverted += 1
            self.records.add(made.record_id)


#: Does what is to be done about fields whose records are ours, and notes those of which a call may be under way.
Acts = Callable[[list[ChangedField], set[str]], None]


@dataclass
class Ledger:
    """The words of one revert of one load, each committed when it is said."""

    load: Load
    log: ChangeLog
    claims: RevertClaims
    done: Reverted = field(default_factory=Reverted)

    @property
    def revert_id(self) -> str:
        """The same for each try of the task."""
        return self.claims.claimant.token

    def begin(self) -> None:
        """Begin the revert, or go on with it."""
        self.log.begin_revert(self.revert_id, self.load.load_id, self.claims.claimant.task)

    def end(self) -> None:
        """Nothing is left to be done."""
        self.log.end_revert(self.revert_id, self.load.load_id)

    def standing(self, changes: Iterable[MadeChange]) -> Mapping[ChangeId, Mark]:
        """How far all reverts are with these."""
        return self.log.standing(self.load.load_id, sorted({made.change.row_number for made in changes}))

    def open(self, changes: Sequence[MadeChange]) -> list[MadeChange]:
        """Those that no revert has taken back."""
        standing = self.standing(changes)
        marks = [standing.get(made.id) for made in changes]
        is_back = [mark is not None and mark.state is RevertState.REVERTED for mark in marks]
        self.done.before += sum(is_back)
        return [made for made, was in zip(changes, is_back, strict=True) if not was]

    def under_claims(self, changes: Sequence[MadeChange], act: Acts) -> None:
        """Look at what is open of the changes, as far as nobody else has their records or keys in flight."""
        opened = self.open(changes)
        fields = by_field(opened)
        if not fields:
            return
        ours = self.claims.claimed(fields)
        in_doubt: set[str] = set()
        try:
            self.leave((each for each in fields if each.record_id not in ours), Left.IN_FLIGHT)
            # Again, now that nobody else can say anything of them.
            still_open = by_field(self.open([made for made in opened if made.record_id in ours]))
            if still_open:
                act(still_open, in_doubt)
        finally:
            self.claims.release((each for each in fields if each.record_id in ours), frozenset(in_doubt))

    def leave(self, fields: Iterable[ChangedField], why: Left, **more: Any) -> None:
        """They are not taken back."""
        self.mark(fields, RevertState.LEFT, why, **more)

    def announce(self, marks: Sequence[Mark]) -> None:
        """A call is about to be made."""
        self.log.mark(self.revert_id, self.load.load_id, marks)

    def mark(self, fields: Iterable[ChangedField], state: RevertState, why: Left | None = None, **more: Any) -> None:
        """Say how far they are."""
        fields = list(fields)
        marks = [mark for each in fields for mark in each.marks(state, why, **more)]
        self.log.mark(self.revert_id, self.load.load_id, marks)
        for made, mark in zip((made for each in fields for made in each.changes), marks, strict=True):
            self.done.note(self.load.load_id, made, mark)

    def no_answer(self, fields: Iterable[ChangedField]) -> None:
        """Count, and commit nothing: what is in doubt stays announced, and the next try re-reads it."""
        for made in (made for each in fields for made in each.changes):
            self.done.note(self.load.load_id, made, Mark(made.id, RevertState.ANNOUNCED, Left.NO_ANSWER))

    def refused(self, fields: Iterable[ChangedField], outcome: Outcome) -> None:
        """Salesforce did not do it."""
        why = Left.TRIES_USED_UP if fails_for_now(outcome, external_id_field=None) else Left.REFUSED
        self.leave(fields, why, error_code=_code(outcome))


def _code(outcome: Outcome) -> str | None:
    if isinstance(outcome, DuplicatesFound):
        return "DUPLICATES_DETECTED"
    return outcome.code if isinstance(outcome, Failed) else None
