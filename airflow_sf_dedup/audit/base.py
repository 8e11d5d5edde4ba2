"""How to remember what happened to every row.

An audit keeps its promises under repeats: writing the same entries twice leaves one entry a row, and
an entry that is settled is never overwritten by a later try.

Each port is one question. A journey takes the ports that it needs; a backend answers them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from airflow_sf_dedup.audit.changes import RevertReader
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.plan_differences import Compared, PlanDifference
from airflow_sf_dedup.core.rule_reports import RuleReport
from airflow_sf_dedup.core.rule_waits import RuleWait
from airflow_sf_dedup.core.volume import Volume
from airflow_sf_dedup.errors import SalesforceDedupError


class LoadMissingError(SalesforceDedupError):
    """The audit has no load of this id: it was never opened, or it has been purged.

    :param load_id: the id that was asked for.
    """

    def __init__(self, load_id: str) -> None:
        super().__init__(f"The audit has no load {load_id!r}: it was never opened, or it has been purged.")
        self.load_id = load_id


class LoadKind(StrEnum):
    """Whether rows were sent. Readers of several loads answer for those of kind ``load`` unless told otherwise."""

    #: Its rows were sent to the org.
    LOAD = "load"
    #: Nothing was written: its entries say what a load would have done.
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Load:
    """What is the same for all rows of one load: one execution of a partition task, or of a plan."""

    load_id: str
    #: 18 characters.
    org_id: str
    sobject: str
    external_id_field: str
    dag_id: str
    run_id: str
    #: The task that read the source.
    task_id: str
    started_at: datetime
    #: The policy in its one-line grammar.
    policy: str | None = None
    #: ``collections``, ``bulk2`` …
    api: str | None = None
    #: Further settings, JSON values only, never secrets.
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: ``None`` until the whole source has been read.
    rows_read: int | None = None
    partitions: int | None = None
    ended_at: datetime | None = None
    #: Calls that the org counted, of all tries.
    api_calls: int = 0
    #: What the load was expected to cost in calls, before anything was written.
    predicted_calls: int | None = None
    kind: LoadKind = LoadKind.LOAD
    #: Of a plan, and of a load that was given one: over the rows that were read and the settings that decide on them,
    #: 32 hex digits.
    digest: str | None = None


#: Setting of a load that is one task's, which was given its rows and sends them.
ONE_TASK = "one_task"

#: Settings of a load: the id of the plan that it was given, and whether what is beyond it is left.
PLAN, STRICT = "plan", "strict"

#: Setting of a load: the name of the look-up that names the matches of its blocked rows.
LOOKUP = "lookup"

#: Setting of a load whose tasks note when they begin to send; tasks of earlier releases did not.
NOTES_BEGINNINGS = "notes_beginnings"


#: How long after its beginning a load without an end is taken for one that is going on.
NEVER_ENDS_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Totals:
    """A load in numbers, counted in the table."""

    #: Rows by action; actions that did not occur are absent.
    actions: Mapping[Action, int]
    #: ``(action, error_code, reason)`` to number of rows, for rows that are not a plain success:
    #: those with a code or a reason, and those neither created, updated nor unchanged.
    reasons: Mapping[tuple[Action, str | None, str | None], int]
    #: The same keys to the fields that Salesforce objected to, each with its number of rows; without such: absent.
    fields: Mapping[tuple[Action, str | None, str | None], Mapping[str, int]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """All rows that have an entry."""
        return sum(self.actions.values())

    def rows_because(self, why: str) -> int:
        """Those with this reason."""
        return sum(rows for (_, _, reason), rows in self.reasons.items() if reason == why)


@dataclass(frozen=True, slots=True)
class SentAgain:
    """The rows of a load that were not settled by the first call that carried them."""

    rows: int
    #: Of the row that was sent most often; 0 where there is none.
    most_attempts: int
    #: From the first to the last sending of the row that took longest.
    longest_wait_seconds: float


@dataclass(frozen=True, slots=True)
class WaitedForRules:
    """The rows of a load that waited for duplicate rules which were switched off."""

    rows: int
    #: Of the row that waited most often; 0 where there is none.
    most_times: int
    #: From the first putting off to the end of the last wait, of the row that waited longest.
    longest_seconds: float


#: Percent. A match below it may well be somebody else.
DOUBTFUL_BELOW = 95.0


@dataclass(frozen=True, slots=True)
class DoubtfulMatches:
    """The rows of a load that were written to a record whose match was less than sure."""

    #: Whose best match of that record is below :data:`DOUBTFUL_BELOW`.
    rows: int
    #: Percent, of the least sure of them; 0 where there is none.
    lowest: float


@dataclass(frozen=True, slots=True)
class Period:
    """Loads that began in a stretch of time, of all orgs and sObjects or of one."""

    #: UTC; the first moment that counts.
    since: datetime
    #: UTC; the first moment that counts no more.
    until: datetime
    #: 18 characters; ``None``: any.
    org_id: str | None = None
    #: In any case; ``None``: any.
    sobject: str | None = None
    kind: LoadKind = LoadKind.LOAD


@dataclass(frozen=True, slots=True)
class BlockedRow:
    """A row that a rule named a record for."""

    load_id: str
    row_number: int
    action: Action
    #: Of the record that it named first, and percent; ``None``: the rule says none.
    record_id: str
    confidence: float | None


@dataclass(frozen=True, slots=True)
class RuleUse:
    """What became of the rows that one duplicate rule named records for. A row counts at each of its rules."""

    #: Of the rows.
    sobject: str
    rule: str
    #: Those that found the records.
    matching_rules: tuple[str, ...]
    #: How the rows ended.
    actions: Mapping[Action, int]
    #: Rows for which it named more than one record.
    several: int
    #: Rows for which it named a record of another sObject.
    elsewhere: int
    #: Percent to the number of matches that had it; matches without are not counted.
    confidences: Mapping[float, int]
    #: The latest ones.
    examples: tuple[BlockedRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge took away and what it left."""

    #: Loads deleted.
    loads: int
    #: Entries deleted with them, and with the plans.
    entries: int
    #: Ids of loads old enough to go, kept because rows of theirs still wait.
    kept: tuple[str, ...] = ()
    #: Ids of the loads deleted.
    load_ids: tuple[str, ...] = ()
    #: The same in words for people: each with its Dag, its run and when it began.
    named: tuple[str, ...] = ()
    #: Plans deleted; nobody waits for a row of theirs. Their ids are among :attr:`load_ids`.
    plans: int = 0


class LoadWriter(Protocol):
    """Takes what is the same for all rows of a load, and its journal. Committed when a call returns."""

    def open_load(self, load: Load) -> None:
        """Begin a load; opening the same ``load_id`` again changes nothing."""

    def update_load(self, load_id: str, **changes: Any) -> None:
        """Set columns of the load, such as ``rows_read`` or ``ended_at``.

        :raises LoadMissingError: when the load was not opened.
        :raises TypeError: when a name is no column of the load that may change.
        """

    def note_beginning(self, load_id: str, partition: int) -> None:
        """From now on rows of that partition may be in the org. Said before the first call of each task.

        :raises LoadMissingError: when the load was not opened.
        """

    def note(self, load_id: str, event: str, detail: Mapping[str, Any]) -> None:
        """Append one event to the journal.

        :raises LoadMissingError: when the load was not opened.
        """


class CallCounter(Protocol):
    """Keeps a load within its budget of API calls."""

    def count_call(self, load_id: str, *, round_number: int, budget: int | None) -> bool:
        """Count one API call of the load before it is made. Safe to call from several tasks and threads at once.

        :param round_number: counts the times a person cleared the run; each round has the whole budget.
        :param budget: calls of all tasks of the load together; ``None``: any number.
        :returns: False, with nothing counted, when the round has used up the budget.
        :raises LoadMissingError: when the load was not opened.
        """


class VolumeCounter(Protocol):
    """Knows at any time how much of a load created, changed or was blocked, whichever tasks and tries wrote it."""

    def volumes(self, load_id: str) -> Mapping[int, Volume]:
        """Partition to what its entries count as, and to its blocked rows without one; one cheap query."""

    def note_waiting(self, load_id: str, partition: int, rows: int) -> None:
        """So many rows of a partition are blocked by now and have no entry yet, in place of what was said before.

        :raises LoadMissingError: when the load was not opened.
        """


class EntryWriter(Protocol):
    """Takes what became of rows."""

    def remember(self, load_id: str, entries: Sequence[Entry]) -> None:
        """Write entries with their matches and values, replacing unsettled ones of the same rows; but ``not_sent``
        does not replace ``failed`` unless its row waits for a rule. What entries before said of such waits stays.

        All of them or none, committed when the call returns; of several entries for one row, the first settled one
        counts, or else the last.

        :raises LoadMissingError: when the load was not opened.
        """


class ReportWriter(Protocol):
    """Takes what duplicate rules report of saved rows."""

    def remember_reports(self, load_id: str, reports: Mapping[int, Sequence[RuleReport]]) -> None:
        """Keep what was found for these rows, by row number, in place of what was found before.

        All of them or none, committed when the call returns. Entries stay as they are.

        :raises LoadMissingError: when the load was not opened.
        """


class AuditWriter(LoadWriter, CallCounter, VolumeCounter, EntryWriter, ReportWriter, Protocol):
    """Takes all that journeys have to remember."""


class VolumeReader(Protocol):
    """How much did a task's loads do before?"""

    def earlier_volumes(self, load: Load, most: int) -> list[Volume]:
        """What the latest whole loads had of the same org, sObject, field, Dag and task, the latest first.

        Only those that ended before this one began, so that its tasks and tries are told the same. Whole: a row at
        least is saved, unchanged, decided or blocked by a rule, and none ``not_sent`` or ``unknown``. No plan is one.

        :param most: loads.
        """


class LoadReader(Protocol):
    """Which loads are there, and what was begun of them?"""

    def load(self, load_id: str) -> Load | None:
        """The load of that id."""

    def loads_of_run(self, dag_id: str, run_id: str, *, kind: LoadKind = LoadKind.LOAD) -> list[Load]:
        """The loads of one DAG run, oldest first."""

    def latest_load(self, dag_id: str | None = None, *, kind: LoadKind = LoadKind.LOAD) -> Load | None:
        """The load that began last, of a Dag or of all; ``None``: there is none."""

    def latest_sent(
        self, org_id: str, sobject: str, external_id_field: str, *, made_by: tuple[str, str] | None = None
    ) -> Load | None:
        """The latest load of that org, sObject and field that has ended and sent rows; ``None``: there is none.

        Plans send none. Names of sObjects and fields are alike in any case.

        :param made_by: only loads of this Dag and task; ``None``: of any.
        """

    def begun_partitions(self, load_id: str) -> frozenset[int]:
        """The partitions of a load that some task began to send; of the others no row was sent.

        -1 among them: it is not known which they all are.
        """


class RowReader(Protocol):
    """How do single rows of a load stand?"""

    def settled_rows(
        self,
        load_id: str,
        partition: int,
        rows: Iterable[int] | None = None,
        *,
        failed_in_try: int | None = None,
    ) -> Mapping[int, Action]:
        """Row number to action, for the rows of a partition that need not be sent again.

        :param rows: only these; ``None``: all.
        :param failed_in_try: of this try of the task, rows that are ``failed`` count as well.
        """

    def unknown_rows(self, load_id: str, partition: int) -> frozenset[int]:
        """The rows of a partition whose entry says ``unknown``: they may be in the org."""

    def rule_waits(self, load_id: str, partition: int) -> Mapping[int, RuleWait]:
        """Row number to how the row of a partition waited for a rule that was switched off, whatever became of it.

        Rows that did not are absent.
        """

    def rows_without_entry(self, load_id: str, last: int) -> Iterator[int]:
        """The row numbers from 1 to ``last`` that have no entry, in their order."""

    def actions(self, load_id: str, rows: Iterable[int]) -> Mapping[int, Action]:
        """Row number to action, of those of these rows that have an entry."""


class EntryReader(Protocol):
    """What became of the rows, row by row?"""

    def entries(
        self,
        load_id: str,
        *,
        actions: Iterable[Action] | None = None,
        partition: int | None = None,
        page_size: int = 500,
    ) -> Iterator[Entry]:
        """The entries with matches and kept values, by row number, read page by page."""

    def entries_of(self, load_id: str, rows: Iterable[int]) -> Mapping[int, Entry]:
        """Row number to entry, with matches and kept values, of those of some thousand rows that have one."""


class TotalsReader(Protocol):
    """How many rows ended how, and why?"""

    def totals(self, load_id: str, partition: int | None = None) -> Totals:
        """Count the entries of a load, or of one of its partitions."""


class DetailReader(Protocol):
    """What is worth a sentence in a report, beyond the totals?"""

    def sent_again(self, load_id: str) -> SentAgain:
        """How many rows of a load were sent more than once by their last try, how often and how long."""

    def waited_for_rules(self, load_id: str) -> WaitedForRules:
        """How many rows of a load waited for rules that were switched off, how often and how long."""

    def doubtful_matches(self, load_id: str) -> DoubtfulMatches:
        """The rows of a load that updated a record whose match confidence was low, by the best match of each."""

    def rows_by_rule(self, load_id: str) -> Mapping[str, int]:
        """Duplicate rule to the number of rows of a load that it named records for, most first."""

    def rows_by_report(self, load_id: str) -> Mapping[str, int]:
        """Duplicate rule to the number of rows of a load that were saved and that it reports, most first."""

    def rows_by_caution(self, load_id: str) -> Mapping[str, int]:
        """Caution to the number of rows awaiting review one of whose matches has it, most first."""


class RuleReader(Protocol):
    """What did the duplicate rules do, over many loads of one kind?"""

    def loads_in(self, period: Period) -> Mapping[str, int]:
        """How many loads of each sObject there are."""

    def rule_uses(self, period: Period, *, examples: int = 0) -> list[RuleUse]:
        """What each rule did, the one that named records for most rows first.

        :param examples: most rows that stand for a rule.
        """


class PlanReader(Protocol):
    """Where did a load differ from its plan?

    A row of one is the same row of the other by its key, and by its place among the rows of that key.
    """

    def plan_differences(self, plan_id: str, load_id: str) -> Iterator[PlanDifference]:
        """The rows that did not end as they were planned: those of the load by their number, then those it lacks."""

    def compared(self, plan_id: str, load_id: str) -> Compared:
        """The same in numbers."""


class AuditReader(
    VolumeReader,
    LoadReader,
    RowReader,
    EntryReader,
    TotalsReader,
    DetailReader,
    RuleReader,
    PlanReader,
    RevertReader,
    Protocol,
):
    """Answers from the audit."""


class AuditKeeper(Protocol):
    """Forgets, when it must."""

    def erase(self, key: str, *, sobject: str | None = None, external_id_field: str | None = None) -> int:
        """Remove a person: key, values, differences and messages of every entry with this key.

        A tombstone of each row stays, so that counts still hold. Answers the number of rows erased.
        """

    def purge(self, older_than: datetime, *, force: bool = False) -> Purged:
        """Delete the loads that were over before this time, with all that hangs on them.

        One without an end may be going on: it is over a day (:data:`NEVER_ENDS_AFTER`) after it began.
        Loads with rows that wait (``awaiting_review``, ``held``) are kept unless ``force``; plans never are.
        """

    def going_on(self, moment: datetime) -> frozenset[str]:
        """The ids of the loads that were not over by then: what is staged of them may be in use."""

    def staging_paths(self) -> frozenset[str]:
        """The folders and URLs where loads were staged, as far as they name one of their own."""


class Audit(AuditWriter, AuditReader, Protocol):
    """What journeys and reports need of a backend."""
