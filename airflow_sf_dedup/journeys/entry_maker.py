"""From a row and what became of it to its line in the audit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from airflow_sf_dedup.core.cautions import cautions
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.decisions import DuplicateCase, MatchedRecord
from airflow_sf_dedup.core.differences import Difference, field_states
from airflow_sf_dedup.core.entries import Action, AuditValues, Entry, MatchEntry
from airflow_sf_dedup.core.outcomes import Failed, KeyHeldByMany, Match, Saved, Unanswered
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.sending.refusals import fails_for_now, named_fields, own_words
from airflow_sf_dedup.journeys.values_kept import ValuesKept
from airflow_sf_dedup.locks.base import Holder
from airflow_sf_dedup.salesforce.wire.duplicate_value import read_message

MASK = "***"

#: Why a row was not sent: another task had its key in flight.
KEY_IN_FLIGHT = "key_in_flight"

#: Why a row failed whose error passes, such as a lock: it lasted longer than all tries of the task.
TRIES_USED_UP = "tries_used_up"

#: Actions that wait for a verdict and therefore keep the row's values, whatever the setting.
_KEEPS_VALUES = (Action.AWAITING_REVIEW, Action.HELD)


@dataclass(frozen=True, slots=True)
class TaskMark:
    """Which task instance writes the entries."""

    partition: int = -1
    map_index: int = -1
    try_number: int = 1


class EntryMaker:
    """Makes entries in the name of one task.

    :param masked_fields: fields whose values the audit shows as ``***``; only rows that await a person
        keep them, for the write that follows the verdict. With any of them, as with ``audit_values`` ``none``, what
        Salesforce says in free text is not kept: code, field names and our own words are.
    """

    def __init__(
        self,
        mark: TaskMark,
        *,
        sobject: str = "",
        key_field: str = "",
        audit_values: AuditValues = AuditValues.DUPLICATES,
        masked_fields: Iterable[str] = (),
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._mark = mark
        self._sobject = sobject
        self._key_field = key_field
        self._audit_values = audit_values
        self._masked = {name.lower() for name in masked_fields}
        self._clock = clock
        #: Whether values of a field are kept.
        self.keeps = ValuesKept(audit_values, self._masked)

    def at_once(self) -> EntryMaker:
        """The same with the time held: rows that one call settled are settled at one time."""
        now = self._clock()
        return EntryMaker(
            self._mark,
            sobject=self._sobject,
            key_field=self._key_field,
            audit_values=self._audit_values,
            masked_fields=self._masked,
            clock=lambda: now,
        )

    def saved(self, record: Record, outcome: Saved, action: Action | None = None, **more: Any) -> Entry:
        """The row is in the org; whether it was there before is not always said."""
        done = action or (Action.CREATED if outcome.created else Action.UPDATED)
        if outcome.created is None:
            more.setdefault("reason", "created_or_updated")
        return self.entry(record, done, record_id=outcome.record_id, **more)

    def not_saved(
        self,
        record: Record,
        outcome: Failed | KeyHeldByMany | Unanswered,
        *,
        reason: str | None = None,
        matches: tuple[MatchEntry, ...] = (),
    ) -> Entry:
        """The row failed, or nobody knows.

        :param matches: the records that blocked it before; those that hold its key are added.
        """
        action = Action.FAILED
        match outcome:
            case Failed(code) if code == "DUPLICATE_VALUE" and reason is None:
                reason, matches = self._taken(outcome.message, matches)
                message = self._told(outcome, record)
            case Failed(code):
                reason = TRIES_USED_UP if fails_for_now(outcome, external_id_field=None) else reason
                message = self._told(outcome, record)
            case KeyHeldByMany(said, record_ids):
                code, reason = "DUPLICATE_EXTERNAL_ID", "key_held_by_many"
                message = said if self._shows_text else f"{len(record_ids) or 'several'} records hold the key"
                matches += self.holders(record, record_ids, deleted=False, besides=matches)
            case Unanswered(said, record_ids):
                action, code = Action.UNKNOWN, "NO_ANSWER"
                message = said if self._shows_text else "no answer tells what became of the row"
                matches += self.holders(record, record_ids, deleted=False, besides=matches)
        return self.entry(
            record,
            action,
            error_code=code,
            error_message=message,
            error_fields=self._fields(outcome, record),
            reason=reason,
            matches=matches,
        )

    def _fields(self, outcome: Failed | KeyHeldByMany | Unanswered, record: Record) -> tuple[str, ...]:
        """The fields that a refusal is about; what was said of many rows together need not be about this one's."""
        if not isinstance(outcome, Failed) or outcome.of_many:
            return ()
        return named_fields(outcome) or self._taken_field(outcome, record)

    def _told(self, refused: Failed, record: Record) -> str:
        """Salesforce's words where they are about this row alone and may quote its values, or else our own."""
        if self._shows_text and not refused.of_many:
            return refused.message
        return own_words(replace(refused, fields=(*refused.fields, *self._taken_field(refused, record))))

    def _taken_field(self, refused: Failed, record: Record) -> tuple[str, ...]:
        """The field of the row whose unique value is taken; often the message alone names it."""
        if refused.code != "DUPLICATE_VALUE" or refused.fields:
            return ()
        named = (read_message(refused.message, self._key_field).field or "").lower()
        return tuple(name for name in record.fields if name.lower() == named)

    @property
    def _shows_text(self) -> bool:
        """Whether Salesforce's free text is kept: it may quote any value of a row, in any spelling."""
        return not self._masked and self._audit_values is not AuditValues.NONE

    def _taken(self, message: str, matches: tuple[MatchEntry, ...]) -> tuple[str, tuple[MatchEntry, ...]]:
        """Which unique value was taken, and by which record, as far as the message names them."""
        read = read_message(message, self._key_field)
        holder = (MatchEntry(read.holder_id, self._sobject),) if read.holder_id else ()
        return read.kind, matches + holder

    def holders(
        self, record: Record, record_ids: Iterable[str], *, deleted: bool, besides: Iterable[MatchEntry] = ()
    ) -> tuple[MatchEntry, ...]:
        """Records that hold a row's key, as matches of its entry.

        :param besides: matches that it has already: none of them is added.
        """
        named = {match.record_id for match in besides}
        others = (each for each in record_ids if each not in named)
        return tuple(MatchEntry(each, self._sobject, is_deleted=deleted, key=record.key) for each in others)

    def put_off(self, record: Record, holder: Holder, *, in_doubt: bool) -> Entry:
        """The row's key was in flight elsewhere to the end, or a newer row of it not settled.

        :param in_doubt: an earlier process of the same load may have sent this row.
        """
        waited_for = "key in flight" if holder.expires_at else "a newer row of the key is not settled, sent"
        return self.entry(
            record,
            Action.UNKNOWN if in_doubt else Action.NOT_SENT,
            reason=KEY_IN_FLIGHT,
            error_message=f"{waited_for} since {holder.claimed_at:%Y-%m-%d %H:%M:%S} UTC in {holder.task}",
        )

    def given_up(self, record: Record, error: CallError, *, in_doubt: bool, case: DuplicateCase | None = None) -> Entry:
        """The load ended by an error before the row had its turn, or its answer. It is told in our words: it stands
        at many rows, and Salesforce's may quote one of them.

        :param in_doubt: the row was in a call without an answer, so it may be in the org.
        :param case: what is known of a row that was blocked.
        """
        return self.entry(
            record,
            Action.UNKNOWN if in_doubt else Action.NOT_SENT,
            error_code=error.code or (f"HTTP_{error.status}" if error.status else None),
            error_message=error.own_words,
            reason="call_failed",
            matches=self.matches(case) if case else (),
        )

    def blocked(
        self, case: DuplicateCase, action: Action, reason: str | None, *, record_id: str | None = None
    ) -> Entry:
        """A duplicate rule, or who holds its key, kept the row out, and this is what was done about it.

        A person is told what to look at.
        """
        return self.entry(
            case.record,
            action,
            reason=reason,
            record_id=record_id,
            error_code=case.obstacle.code,
            matches=self.matches(case, cautious=action is Action.AWAITING_REVIEW),
        )

    def entry(self, record: Record, action: Action, **more: Any) -> Entry:
        """An entry for a row."""
        return Entry(
            row_number=record.row_number,
            action=action,
            at=self._clock(),
            key=record.key,
            row_hash=record.row_hash,
            partition=self._mark.partition,
            map_index=self._mark.map_index,
            try_number=self._mark.try_number,
            twin_group=record.twin_group,
            values=self._kept(record, action, more.get("matches", ())),
            **more,
        )

    def matches(self, case: DuplicateCase, *, cautious: bool = False) -> tuple[MatchEntry, ...]:
        """One entry a match; a record that several rules name stands once a rule, one that is met by its key without.

        Merged-away records stand before the one that they have become.

        :param cautious: with what a person who decides should know of each.
        """
        records = (*case.matched, *case.gone_holders)
        return tuple(
            entry
            for record in records
            for entry in self._of_record(record, case, cautions(case, record) if cautious else ())
        )

    def _of_record(self, record: MatchedRecord, case: DuplicateCase, told: tuple[str, ...]) -> Iterator[MatchEntry]:
        for merged_away, into in record.merges:
            for match in _named(record, merged_away):
                yield replace(_as_entry(match), is_deleted=True, state=RecordState.MERGED_AWAY, leads_to=into)
        states = field_states(case.record.fields, record.values, case.described) if record.readable else None
        differences = None if states is None else self._differences(case.record, record, states)
        for match in _named(record, record.record_id):
            yield self._match(match, record, field_differences=differences, field_states=states, cautions=told)
        if (became := record.became) is not None:
            # No rule named it.
            unnamed = replace(became, matches=(Match(became.record_id, became.sobject),))
            yield from self._of_record(unnamed, case, cautions(case, unnamed) if told else ())

    def _match(self, match: Match, record: MatchedRecord, **compared: Any) -> MatchEntry:
        return replace(
            _as_entry(match),
            is_deleted=record.state.in_recycle_bin,
            key=record.key,
            state=record.state,
            deleted_at=record.deletion.at if record.deletion else None,
            deleted_by=record.deletion.by if record.deletion else None,
            leads_to=record.leads_to,
            **compared,
        )

    def _differences(
        self, row: Record, record: MatchedRecord, states: Mapping[str, Difference]
    ) -> dict[str, Any] | None:
        """Both values of the fields that the row carries, where they are not the same."""
        if self._audit_values is AuditValues.NONE:
            return None
        differing = (name for name, state in states.items() if name in row.fields and state is not Difference.SAME)
        return {
            name: [MASK, MASK] if self._is_masked(name) else [row.fields[name], record.values[name]]
            for name in differing
        }

    def _kept(self, record: Record, action: Action, matches: tuple[MatchEntry, ...]) -> Mapping[str, Any] | None:
        if action in _KEEPS_VALUES:
            return record.fields
        keeps = self._audit_values is AuditValues.ALL or (
            self._audit_values is AuditValues.DUPLICATES and bool(matches)
        )
        if not keeps:
            return None
        return {name: MASK if self._is_masked(name) else value for name, value in record.fields.items()}

    def _is_masked(self, name: str) -> bool:
        return name.lower() in self._masked


def _named(record: MatchedRecord, record_id: str) -> list[Match]:
    """How rules name an id; one that no rule names is named by its id alone."""
    found = [match for match in record.matches if match.record_id == record_id]
    return found or [Match(record_id, record.sobject)]


def _as_entry(match: Match) -> MatchEntry:
    """A match of which nothing was read."""
    return MatchEntry(
        record_id=match.record_id,
        sobject=match.sobject,
        duplicate_rule=match.duplicate_rule,
        matching_rule=match.matching_rule,
        engine=match.engine,
        confidence=match.confidence,
        allow_save=match.allow_save,
    )
