"""The one place that puts a journey together, from ports and settings."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial

from airflow_sf_dedup.audit.base import EntryWriter, Load
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.decisions import (
    Ask,
    Fail,
    LinkRow,
    SaveRow,
    SkipRow,
    UndeleteMatch,
    UpdateMatch,
    UpdateOther,
    WaitForRule,
)
from airflow_sf_dedup.core.entries import WRITTEN
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.core.write_modes import WriteMode
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.entry_sink import SettlingSink
from airflow_sf_dedup.journeys.field_rules import plain_rules
from airflow_sf_dedup.journeys.guarded import GuardedClearance, GuardedSink, before_settling, guarded, watched
from airflow_sf_dedup.journeys.intents import Intents
from airflow_sf_dedup.journeys.keeping.kept import WithinPlan, kept_to_plan
from airflow_sf_dedup.journeys.kin_waits import KinWaits
from airflow_sf_dedup.journeys.lost_answers import ReRead
from airflow_sf_dedup.journeys.parents import ParentRows
from airflow_sf_dedup.journeys.progress import Progress
from airflow_sf_dedup.journeys.recording import Recorder
from airflow_sf_dedup.journeys.sending.backoff import seconds_before_try
from airflow_sf_dedup.journeys.sending.claiming import HeldKeys
from airflow_sf_dedup.journeys.sending.clearance import Clearance
from airflow_sf_dedup.journeys.sending.delivery import Delivery
from airflow_sf_dedup.journeys.sending.keeping import Keeper, KeepsBefore, KeepsNothing
from airflow_sf_dedup.journeys.sending.known import AsksFirst, Question, WriteRules
from airflow_sf_dedup.journeys.sending.next_step import Terms
from airflow_sf_dedup.journeys.sending.raisers import AuditedRaisers
from airflow_sf_dedup.journeys.sending.senders import Room, Senders, itself
from airflow_sf_dedup.journeys.sending.watermarks import WatermarkGuard
from airflow_sf_dedup.journeys.settling.asking import Asks, CountsChildren, counts_none
from airflow_sf_dedup.journeys.settling.cases import Cases
from airflow_sf_dedup.journeys.settling.failing import Fails
from airflow_sf_dedup.journeys.settling.linking import Links
from airflow_sf_dedup.journeys.settling.naming import Naming, nothing_instead
from airflow_sf_dedup.journeys.settling.others import OtherMatches, OtherSObjects
from airflow_sf_dedup.journeys.settling.saving import SavesAnyway
from airflow_sf_dedup.journeys.settling.settlement import Settlement
from airflow_sf_dedup.journeys.settling.skipping import Skips
from airflow_sf_dedup.journeys.settling.stale_rules import StaleRules
from airflow_sf_dedup.journeys.settling.undeleting import Undeletes, UpdatesUndeleted
from airflow_sf_dedup.journeys.settling.updating import UpdatesMatch
from airflow_sf_dedup.journeys.settling.updating_others import UpdatesOthers
from airflow_sf_dedup.journeys.settling.waiting import WaitsForRule
from airflow_sf_dedup.journeys.settling.writing import Writer
from airflow_sf_dedup.journeys.stores import Stores
from airflow_sf_dedup.journeys.task_run import TaskRun
from airflow_sf_dedup.journeys.upsert import Upsert
from airflow_sf_dedup.journeys.volume_guard import VolumeGuard
from airflow_sf_dedup.locks.base import Claimant, KeyScope
from airflow_sf_dedup.policies.base import Policy, needs_rule_states, other_fields
from airflow_sf_dedup.salesforce.ports import (
    ChunkApi,
    DuplicateLookup,
    DuplicateRules,
    RecordReader,
    RecordUndeletes,
)

#: Asked right before each call of a session, from the thread that makes it; what it raises, keeps the call back.
Gate = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Part:
    """The rows that a journey is about: one partition of one load."""

    load_id: str
    #: 18 characters.
    org_id: str
    sobject: SObject
    key_rule: KeyRule
    partition: int = 0
    rows: int = 0
    #: Rows of a key are sent one after the other, in waves.
    keys_repeat: bool = False
    #: The sObject with all fields that the user sees; ``None``: with those of the load.
    described: SObject | None = None


@dataclass(frozen=True, slots=True)
class Org:
    """The ports to an org, all of which pass the same gates.

    :ivar user_id: of the API user, 18 characters, once it is known.
    :ivar calls: API calls that the task has made so far.
    :ivar lookup_instead: the look-up to go on with after an error of the first one; ``None``: there is none.
    :ivar count_children: how many records hang on matches, of the relationships that the load names.
    :ivar by_stamp: what writes to records of another sObject, and reads who of them carries a key in a field of theirs.
    """

    api: ChunkApi
    lookup: DuplicateLookup
    reader: RecordReader
    undeletes: RecordUndeletes
    by_stamp: Callable[[SObject, KeyRule], tuple[ChunkApi, RecordReader]]
    rules: DuplicateRules
    lookup_instead: Callable[[CallError], DuplicateLookup | None] = nothing_instead
    user_id: Callable[[], str | None] = lambda: None
    calls: Callable[[], int] = lambda: 0
    count_children: CountsChildren = counts_none


@dataclass(frozen=True, slots=True)
class Clocks:
    """What time it is, and how the journey waits.

    :ivar now: the org's time, UTC.
    :ivar sleep: takes seconds.
    :ivar wait: seconds before a try, from the second one on.
    :ivar here: the worker's time, UTC, by which Airflow brings tasks back.
    """

    now: Callable[[], datetime] = utc_now
    here: Callable[[], datetime] = utc_now
    sleep: Callable[[float], None] = time.sleep
    wait: Callable[[int], float] = seconds_before_try


def nothing_staged(load: Load, rows: Collection[int]) -> Mapping[int, Record]:
    """No load has staged rows any more."""
    return {}


def by_calls(workshop: Workshop) -> Delivery[Record]:
    """Rows travel by calls, each of which answers for its own. A parent of grouped rows is in one call at a time."""
    is_grouped = workshop.load is not None and bool(workshop.load.settings.get("group_by"))
    call, guard = workshop.org.api.upsert, workshop.volume
    return workshop.senders.by_calls(
        call if guard is None else watched(call, guard),
        _terms(workshop.part, workshop.org.api),
        Room.of(workshop.org.api),
        itself,
        clearance=workshop.clearance,
        max_in_flight=1 if is_grouped else workshop.max_in_flight,
    )


def _terms(part: Part, api: ChunkApi) -> Terms:
    """By which key rows are written."""
    return Terms(part.key_rule.field.name, api.repeatable)


def _settlement(workshop: Workshop) -> Settlement:
    """How each decision is carried out, and in which order: what writes nothing comes first."""
    part, org = workshop.part, workshop.org
    keep_changes = partial(workshop.stores.changes.keep_changes, part.load_id)
    writer = Writer(workshop.senders, workshop.lost_answers, workshop.entries, keep_changes)
    key_field = part.key_rule.field.name
    by_id = (part.load_id, part.org_id, part.key_rule, key_field, org.api, workshop.stores.record_claims, writer)
    update = UpdatesMatch(*by_id)
    stale_rules = StaleRules(
        org.rules,
        part.sobject.name,
        needs_rule_states(workshop.policy),
        partial(workshop.stores.audit.rule_waits, part.load_id, part.partition),
        workshop.clocks.here,
    )
    settlement = Settlement(
        load_id=part.load_id,
        key_field=key_field,
        naming=workshop.naming,
        cases=workshop.cases,
        policy=workshop.policy,
        carries_out={
            WaitForRule: WaitsForRule(workshop.entries, org.api.repeatable, stale_rules),
            SkipRow: Skips(workshop.entries),
            Ask: Asks(workshop.entries, org.count_children),
            Fail: Fails(workshop.entries),
            UpdateMatch: update,
            UpdateOther: UpdatesOthers(update, workshop.others, org.by_stamp, org.user_id, workshop.stamped),
            UndeleteMatch: Undeletes(org.undeletes, org.reader, UpdatesUndeleted(*by_id)),
            SaveRow: SavesAnyway(key_field, org.api, writer),
            LinkRow: Links(key_field, org.api, writer),
        },
        entries=workshop.entries,
        sink=workshop.sink,
        stale_rules=stale_rules,
    )
    return _restrained(settlement, workshop.asks_first.write, workshop.volume)


def _restrained(settlement: Settlement, write: WriteRules, volume: VolumeGuard | None) -> Settlement:
    """The same settlement, of which what a plan or a limit forbids is not carried out."""
    if isinstance(write, WithinPlan):
        kept = kept_to_plan(settlement.carries_out, write, settlement.entries)
        settlement = replace(settlement, carries_out=kept)
    if volume is not None:
        carries_out = guarded(settlement.carries_out, volume)
        settlement = replace(settlement, carries_out=carries_out, before=before_settling(volume))
    return settlement


@dataclass
class Workshop:
    """Builds the journeys of one partition. Each part is made when it is first asked for, and once.

    :ivar open_org: makes the ports to the org; each of their calls passes these gates.
    :ivar travel: makes what carries the rows of one wave.
    :ivar policy: what happens to rows that a duplicate rule refuses.
    :ivar gates: asked last, once the claims hold.
    :ivar staged: rows of other loads, as far as they are staged.
    :ivar say: takes a line of progress.
    :ivar describe: describes other sObjects; ``None``: the org is asked.
    :ivar write_rules: what may be created, and what may be overwritten; ``None``: everything.
    :ivar volume: what stops a load that does far more than it should; ``None``: nothing.
    :ivar token: under which keys are claimed; another process goes on with it where a job was left on its way.
    """

    part: Part
    stores: Stores
    open_org: Callable[[Sequence[Gate]], Org]
    policy: Policy
    entries: EntryMaker
    task: TaskRun
    clocks: Clocks = field(default_factory=Clocks)
    gates: Sequence[Gate] = ()
    travel: Callable[[Workshop], Delivery[Record]] = by_calls
    max_in_flight: int = 1
    staged: Callable[[Load, Collection[int]], Mapping[int, Record]] = nothing_staged
    say: Callable[[str], None] = lambda line: None
    describe: Callable[[str], SObject] | None = None
    write_rules: WriteRules | None = None
    volume: VolumeGuard | None = None
    token: str = field(default_factory=lambda: str(uuid.uuid4()))

    def upsert(self) -> Upsert:
        """The journey that writes the partition."""
        part = self.part
        return Upsert(
            load_id=part.load_id,
            partition=part.partition,
            key_rule=part.key_rule,
            api=self.org.api,
            reader=self.org.reader,
            audit=self.stores.audit,
            recorder=self.recorder,
            settlement=self.settlement,
            lost_answers=self.lost_answers,
            keys=self.keys,
            guard=self.guard,
            known=self.asks_first,
            clearance=self.clearance,
            deliver=partial(self.travel, self),
            senders=self.senders,
            try_number=self.task.try_number,
            unknown=self.unknown,
            kin_waits=KinWaits(self.entries, self.recorder.unsettled, self.recorder.behind_failed, self.unknown),
            parents=ParentRows(part.load_id, part.sobject.name, self.stores.audit),
        )

    # -- the org, and who may write -----------------------------------------------------------------

    @cached_property
    def org(self) -> Org:
        """Its calls renew the claims and are counted."""
        return self.open_org((self.keys.keep, self.progress.tick, *self.gates))

    @cached_property
    def keys(self) -> HeldKeys:
        """The keys that the task has in flight."""
        part = self.part
        return HeldKeys(
            self.stores.key_claims,
            KeyScope(part.org_id, part.sobject.name, part.key_rule.field.name),
            Claimant(self.token, part.load_id, str(self.task)),
            part.key_rule.partition_fold,
            settled_among=partial(self.stores.audit.settled_rows, part.load_id, part.partition),
            unknown=self.unknown,
            unknown_since=self._unknown_since,
            org_now=self.clocks.now,
        )

    @cached_property
    def guard(self) -> WatermarkGuard:
        """What keeps older rows back."""
        part = self.part
        return WatermarkGuard(
            self.keys,
            self.stores.watermarks,
            AuditedRaisers(self.stores.audit, self.org.reader, part.sobject, part.key_rule.names, self.staged),
            self.keys.scope,
            part.load_id,
            part.key_rule.fold,
            org_now=self.clocks.now,
        )

    @cached_property
    def clearance(self) -> Clearance[Record]:
        """A key that is not unique lets one row create two records: its writes are announced before they are made."""
        cleared: Clearance[Record] = self.asks_first if self.asks_first.write.ask_first else self.guard
        cleared = cleared if self.volume is None else GuardedClearance(cleared, self.volume)
        if self.org.api.repeatable:
            return cleared
        return Intents(cleared, self.stores.audit, self.part.load_id, self.entries)

    @cached_property
    def asks_first(self) -> AsksFirst:
        """What looks for the records that rows are about, where the load's mode or its rules for fields need it."""
        part = self.part
        rules = self.write_rules or WriteRules(plain_rules(part.key_rule))
        keeper: Keeper = KeepsNothing()
        if rules.keep_before:
            keep = partial(self.stores.changes.keep_changes, part.load_id)
            keeper = KeepsBefore(part.described or part.sobject, part.key_rule.field.name, self.entries.keeps, keep)
        return AsksFirst(self.guard, Question(self.org.reader, part.sobject.name, rules, keeper))

    @cached_property
    def senders(self) -> Senders:
        """What sends rows, by whatever call."""
        return Senders(self.keys.mark_late, self.clocks.now, self.clocks.sleep, self.clocks.wait)

    # -- what becomes of rows -------------------------------------------------------------------------

    @cached_property
    def progress(self) -> Progress:
        """How far the task is."""
        return Progress(self.part.rows, calls=lambda: self.org.calls(), say=self.say)

    @cached_property
    def sink(self) -> EntryWriter:
        """Where entries are committed."""
        sink = SettlingSink(self.stores.audit, self.keys, self.guard)
        return sink if self.volume is None else GuardedSink(sink, self.volume)

    @cached_property
    def recorder(self) -> Recorder:
        """What makes entries of outcomes."""
        part = self.part
        return Recorder(part.load_id, part.key_rule, self.sink, self.entries, self.keys, self.stamped, self.progress)

    @cached_property
    def lost_answers(self) -> ReRead:
        """What tells of rows that were in a call without an answer."""
        part = self.part
        return ReRead(
            self.org.reader,
            part.sobject,
            part.key_rule.field.name,
            self.org.user_id,
            key_fields=part.key_rule.names,
            keys_repeat=part.keys_repeat,
            written=self._written() if part.keys_repeat else (),
            stamped=self.stamped,
        )

    # -- blocked rows -----------------------------------------------------------------------------------

    @cached_property
    def naming(self) -> Naming:
        """Which records block rows."""
        org = self.org
        return Naming(
            org.lookup,
            org.api,
            org.reader,
            _terms(self.part, org.api),
            self.lost_answers,
            self.senders,
            org.lookup_instead,
        )

    @cached_property
    def cases(self) -> Cases:
        """What is known of blocked rows."""
        part, reader = self.part, self.org.reader
        return Cases(
            reader,
            part.sobject,
            part.described or part.sobject,
            part.key_rule,
            OtherMatches(reader, part.sobject, self.others, other_fields(self.policy)),
            now=self.clocks.now,
            claimed=self.stamped,
            only_creates=self.asks_first.write.mode is WriteMode.CREATE_ONLY,
        )

    @cached_property
    def others(self) -> OtherSObjects:
        """The other sObjects whose records match."""
        return OtherSObjects(self.describe or self.org.reader.describe)

    @cached_property
    def settlement(self) -> Settlement:
        """What settles blocked rows by the policy."""
        return _settlement(self)

    # -- what earlier tries left ------------------------------------------------------------------------

    @cached_property
    def load(self) -> Load | None:
        """The load as the audit has it."""
        return self.stores.audit.load(self.part.load_id)

    @cached_property
    def unknown(self) -> frozenset[int]:
        """Rows that an earlier try left ``unknown``."""
        return self.stores.audit.unknown_rows(self.part.load_id, self.part.partition)

    @cached_property
    def stamped(self) -> Mapping[str, str]:
        """Records that an earlier try may have stamped, with the key."""
        if self.task.try_number <= 1:
            return {}
        return self.stores.record_claims.claimed(self.part.load_id, self.part.org_id)

    def _unknown_since(self) -> datetime:
        """When the load began, by the org's clock: however much that of the workers differs."""
        now = self.clocks.now()
        return now - (utc_now() - self.load.started_at) if self.load else now

    def _written(self) -> list[str]:
        """Records that earlier tries of the task are known to have written."""
        entries = self.stores.audit.entries(self.part.load_id, actions=WRITTEN, partition=self.part.partition)
        return [entry.record_id for entry in entries if entry.record_id]
