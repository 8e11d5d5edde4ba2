"""One run: stage the loads, start their tasks round by round as Airflow would, close, check."""

from __future__ import annotations

import time
import traceback
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.core.changes import IS_DELETED
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.entries import UNSETTLED, Action
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.journeys.collect import Thresholds, complaints
from airflow_sf_dedup.journeys.ending import close_load
from airflow_sf_dedup.journeys.partition import partition_source
from airflow_sf_dedup.journeys.partition_settings import PartitionSettings
from airflow_sf_dedup.journeys.summary import summarise
from airflow_sf_dedup.salesforce.reader import describe
from airflow_sf_dedup.sources.read import source_of
from airflow_sf_dedup.staging.area import StagingArea
from tests.chaos.after import AfterSpec
from tests.chaos.after_checks import After
from tests.chaos.checks import Evidence, Finding, LoadEvidence, Snapshot, findings, lines_of, settled_of
from tests.chaos.decided import decided
from tests.chaos.kin import kin
from tests.chaos.modes import modes
from tests.chaos.processes import Result, run_together, start_stranger
from tests.chaos.scenario import (
    HANG,
    LONG_READ_TIMEOUT,
    LOSE_ANSWERS,
    ORDER,
    Afterwards,
    Kill,
    LoadPlan,
    Scenario,
    account_id,
    draw,
)
from tests.chaos.taken_back import taken_back
from tests.chaos.task import TaskSpec, run_task, session_for
from tests.chaos.world import SOBJECT, AuditPlace, World

#: Rounds without faults after which a task that is not done never will be.
MOST_CLEAN_ROUNDS = 8

#: Seconds for which a rule stays in the org's caches: longer than any run.
STALE = 600.0

#: Seconds in which the org ends the calls of a client that is gone.
SETTLING = 0.03


@dataclass(frozen=True)
class Outcome:
    """What a run did and what is wrong with it."""

    scenario: Scenario
    findings: Sequence[Finding]
    #: ``kills``, ``processes``, ``calls``, ``put off``, ``rounds``, ``DUPLICATE_VALUE`` …
    counts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


#: Kinds that are drawn around others, and the share of seeds that choose one.
_AROUND = {"decided": decided, "kin": kin, "modes": modes, "taken_back": taken_back}
_SHARE_AROUND = 0.5

#: What a mirror is written to.
MIRROR = "Duplicate_Audit__c"

#: What loads write to.
_WRITTEN = (SOBJECT, "Contact")


@dataclass(slots=True)
class _Task:
    """One mapped task of a load."""

    plan: LoadPlan
    ref: PartitionRef
    tries: int = 0


def run_seed(world: World, seed: int, kind: str = "all", *, broken: str | None = None) -> Outcome:
    """Draw the scenario of a seed, run and check it.

    :param kind: one of :data:`tests.chaos.scenario.KINDS`; ``all``: the seed chooses.
    """
    random = Random(f"chaos/kind/{seed}")
    if kind == "all" and random.random() < _SHARE_AROUND:
        kind = random.choice(sorted(_AROUND))
    drawn = _AROUND[kind](seed) if kind in _AROUND else draw(seed, kind)
    return run_scenario(world, drawn, broken=broken)


def run_scenario(world: World, scenario: Scenario, *, broken: str | None = None) -> Outcome:
    """Run and check a scenario.

    :param broken: the part that is broken on purpose, one of :data:`tests.chaos.task.BROKEN_PARTS`.
    """
    start = time.monotonic()
    with world.audit(scenario.database) as place:
        run = _Run(world, scenario, place, broken)
        try:
            run.go()
            evidence = run.evidence()
            if scenario.afterwards:
                evidence = replace(evidence, after=run.after(scenario.afterwards))
            found = [*run.findings, *findings(evidence)]
            run.counts["DUPLICATE_VALUE"] += sum(line.error == "DUPLICATE_VALUE" for line in evidence.lines)
            run.actions.update(str(entry.action) for load in evidence.loads.values() for entry in load.entries)
            excused = evidence.excused
        except Exception:
            found, excused = [*run.findings, Finding(0, traceback.format_exc())], Counter()
    return Outcome(
        scenario, found, run.counts, run.faults, run.actions, run.ends, excused, seconds=time.monotonic() - start
    )


class _Run:
    def __init__(self, world: World, scenario: Scenario, place: AuditPlace, broken: str | None) -> None:
        self.scenario = scenario
        self.counts: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.actions: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.findings: list[Finding] = []
        self._world = world
        self._org = world.org
        self._place = place
        self._broken = broken
        self._random = Random(f"schedule/{scenario.schedule.seed}")
        self._kills: list[Kill | None] = list(scenario.schedule.kills)
        self._load_ids: dict[str, str] = {}
        self._tasks: list[_Task] = []
        self._snapshots: list[Snapshot] = []
        self._ended_early: list[str] = []
        self._edited: dict[str, list[dict[str, Any]]] = {}

    def go(self) -> None:
        """Everything up to the verdict."""
        self._prepare_org()
        self._stage_all()
        self._org.set_physics(self.scenario.physics)
        self._org.set_faults(self.scenario.seed, self.scenario.faults)
        for rule in self.scenario.stale_rules:
            self._org.switch_off(rule, stale_for=STALE)
        schedule = self.scenario.schedule
        for _ in range(schedule.rounds_with_faults):
            self._round(faulty=True)
        self.faults.update(self._org.clear_faults())
        for rule in self.scenario.stale_rules:
            self._org.switch_off(rule, stale_for=0.0)
        if schedule.closed_early:
            self._close_all()
        for _ in range(MOST_CLEAN_ROUNDS):
            if self._tasks:
                self._round(faulty=False)
        self.counts["calls"] += self._org.calls_made()

    # -- before -----------------------------------------------------------------------------------

    def _prepare_org(self) -> None:
        self._org.reset()
        self._org.seed("Account", [{"Id": account_id(number), "Name": f"Account {number}"} for number in (1, 2, 3)])
        if self.scenario.held_before:
            self._org.seed(SOBJECT, self.scenario.held_before)
        if self.scenario.contacts_before:
            self._org.seed("Contact", self.scenario.contacts_before)
        if self.scenario.deleted_before:
            self._org.seed(SOBJECT, self.scenario.deleted_before)
            self._delete([each["Id"] for each in self.scenario.deleted_before])

    def _delete(self, ids: Sequence[str]) -> None:
        with closing(session_for(self._org.url, 60.0)) as session:
            for record_id in ids:
                session.rest("DELETE", f"sobjects/{SOBJECT}/{record_id}")

    def _stage_all(self) -> None:
        staging = StagingArea(self._world.staging())
        session = session_for(self._org.url, 60.0)
        sobject = describe(session, SOBJECT)
        for plan in self.scenario.loads:
            load = self._load(plan, session.org_id, staging)
            refs = partition_source(
                source_of([dict(row) for row in plan.rows]),
                PartitionSettings(
                    external_id_field=self.scenario.key_field.name,
                    partitions=plan.partitions,
                    on_repeat=plan.on_repeat,
                    group_by=plan.group_by,
                    newer_than=ORDER if plan.newer_than else None,
                    twin_fields=plan.twin_fields or None,
                    allow_non_unique_key=not self.scenario.key_field.unique,
                    salesforce_conn_id="chaos",
                ),
                load=load,
                describe=sobject,
                staging=staging,
                audit=self._place.audit,
                clock=utc_now,
            )
            self._load_ids[plan.name] = load.load_id
            self._tasks += [_Task(plan, ref) for ref in refs]
        session.close()

    def _load(self, plan: LoadPlan, org_id: str, staging: StagingArea) -> Load:
        return Load(
            load_id=str(uuid.UUID(int=self._random.getrandbits(128))),
            org_id=org_id,
            sobject=SOBJECT,
            external_id_field=self.scenario.key_field.name,
            dag_id="chaos",
            run_id=plan.name,
            task_id="partition",
            started_at=utc_now(),
            settings={"staging_path": staging.base_path},
        )

    # -- rounds -----------------------------------------------------------------------------------

    def _round(self, *, faulty: bool) -> None:
        """Start every task that is not done."""
        if self._snapshots and (not faulty or self._random.random() < self.scenario.schedule.claims_expire):
            self._place.let_claims_expire()
            self._place.let_waits_end()
        self._snapshots.append(self._snapshot())
        self.counts["rounds"] += 1
        stranger = self._stranger() if faulty and len(self._snapshots) == 1 else None
        results = self._run(list(self._specs(faulty=faulty)))
        if stranger is not None:
            stranger.join()
        self._take_in(results)
        done = {result.spec.ref for result in results if result.ended and result.ended.how == "done"}
        self._tasks = [task for task in self._tasks if not self._is_over(task, done, faulty=faulty)]
        left_something = any(result.killed or (result.ended and result.ended.how != "done") for result in results)
        if left_something or self.scenario.late_calls:
            window = self.scenario.physics["commit_window"] + self.scenario.physics["lock_wait"]
            time.sleep(SETTLING + window + (HANG if self.scenario.late_calls else 0.0))

    def _specs(self, *, faulty: bool) -> Iterator[TaskSpec]:
        schedule = self.scenario.schedule
        tasks = list(self._tasks)
        self._random.shuffle(tasks)
        for task in tasks:
            task.tries += 1
            spec = self._spec(task, faulty=faulty)
            yield replace(spec, kill=self._next_kill()) if faulty else spec
            if faulty and self._random.random() < schedule.twins:
                self.counts["twins"] += 1
                yield replace(spec, twin=1, kill=self._next_kill())

    def _next_kill(self) -> Kill | None:
        return self._kills.pop(0) if self._kills else None

    def _spec(self, task: _Task, *, faulty: bool) -> TaskSpec:
        """Where nothing goes wrong any more, a call is given the time that it takes on any machine."""
        return TaskSpec(
            org_url=self._org.url,
            audit_url=self._place.url,
            ref=task.ref,
            policy=task.plan.policy,
            mode=task.plan.mode,
            field_rules=task.plan.field_rules,
            read_timeout=self.scenario.read_timeout if faulty else LONG_READ_TIMEOUT,
            max_in_flight=task.plan.max_in_flight,
            rows_per_chunk=task.plan.rows_per_chunk,
            chunks_per_call=task.plan.chunks_per_call,
            try_number=task.tries,
            broken=self._broken,
        )

    def _run(self, specs: list[TaskSpec]) -> list[Result]:
        schedule = self.scenario.schedule
        if not schedule.own:
            return [Result(spec, run_task(spec)) for spec in specs]
        self.counts["processes"] += len(specs)
        return run_together(specs, together=schedule.together, stagger=schedule.stagger, random=self._random)

    def _stranger(self) -> Any:
        scenario = self.scenario
        if not scenario.schedule.stranger or not scenario.keys:
            return None
        keys = [key for key in scenario.keys if key.strip()]
        creates = scenario.schedule.stranger_creates
        return start_stranger(self._org.url, scenario.key_field.name, keys, scenario.seed, creates=creates)

    def _take_in(self, results: Sequence[Result]) -> None:
        for result in results:
            if result.ended is None or result.ended.how == "call_error":
                self._ended_early.append(str(result.spec.task))
            if result.ended is None:
                self.counts["kills"] += 1
                self.ends["killed"] += 1
                continue
            self.ends[result.ended.how] += 1
            self.counts["put off"] += result.ended.put_off
            if result.ended.how == "broken":
                self.findings.append(Finding(0, result.ended.text))

    def _is_over(self, task: _Task, done: set[PartitionRef], *, faulty: bool) -> bool:
        """Nothing goes wrong any more and the task is done, or there is nothing left for it to do."""
        if task.ref not in done:
            return False
        totals = self._place.audit.totals(task.ref.load_id, task.ref.partition)
        return not faulty or not UNSETTLED & totals.actions.keys()

    def _snapshot(self) -> Snapshot:
        settled = {
            name: settled_of(self._place.audit.entries(load_id, page_size=5000))
            for name, load_id in self._load_ids.items()
        }
        return Snapshot(self._org.calls_made(), settled)

    # -- after ------------------------------------------------------------------------------------

    def _close_all(self) -> None:
        for load_id in self._load_ids.values():
            load = self._place.audit.load(load_id)
            assert load is not None
            close_load(self._place.stores, load, StagingArea(load.settings["staging_path"]))

    def evidence(self) -> Evidence:
        """What the org and the audit say now, after the closing task."""
        self._close_all()
        key_name = self.scenario.key_field.name
        ledger = [each for each in self._org.ledger() if each["sobject"] in _WRITTEN]
        return Evidence(
            scenario=self.scenario,
            lines=list(lines_of(ledger, key_name, self.scenario.before)),
            records={record["Id"]: record for sobject in _WRITTEN for record in self._org.records(sobject)},
            loads={plan.name: self._load_evidence(plan) for plan in self.scenario.loads},
            snapshots=self._snapshots,
            key_claims=self._place.claims_left(),
            record_claims=self._place.record_claims_left(),
            killed=self.counts["kills"] > 0,
            ended_early=frozenset(self._ended_early),
            disturbed=self._disturbed(),
        )

    # -- what follows the loads --------------------------------------------------------------------

    def after(self, plan: Afterwards) -> After:
        """Mirror the loads, let somebody edit records, and take the loads back."""
        self._until_done("mirror", plan)
        mirrored = self._org.records(MIRROR)
        self._edit(plan)
        seq = len(self._org.ledger())
        self._until_done("revert", plan)
        ledger = self._org.ledger()
        return After(
            lines=[each for each in ledger if each["seq"] > seq and each["sobject"] in _WRITTEN],
            before={record["Id"]: record for each in _WRITTEN for record in self._edited[each]},
            records={record["Id"]: record for each in _WRITTEN for record in self._org.records(each)},
            mirrored=mirrored,
        )

    def _edit(self, plan: Afterwards) -> None:
        random = Random(f"edits/{plan.seed}")
        for each in self.scenario.before:
            sobject = "Contact" if each["Id"].startswith("003") else SOBJECT
            is_live = any(record["Id"] == each["Id"] for record in self._org.records(sobject))
            if is_live and random.random() < plan.edits:
                self._org.edit(each["Id"], sobject, {random.choice(("Title", "City")): f"Typed {each['Id']}"})
        self._edited = {each: self._org.records(each) for each in _WRITTEN}

    def _until_done(self, what: str, plan: Afterwards) -> None:
        """Tries with faults and kills, and then without."""
        self._org.set_faults(plan.seed, self.scenario.faults)
        tries = [*plan.kills, None]
        for number, kill in enumerate([*tries, *[None] * MOST_CLEAN_ROUNDS], 1):
            if number == len(tries):
                self.faults.update(self._org.clear_faults())
            result = self._try(what, number, kill, faulty=number < len(tries))
            if number >= len(tries) and result.ended and result.ended.how == "done":
                return
        self.findings.append(Finding(0, f"{what} does not come to its end: {result.ended}"))

    def _try(self, what: str, number: int, kill: Kill | None, *, faulty: bool) -> Result:
        timeout = self.scenario.read_timeout if faulty else LONG_READ_TIMEOUT
        ids = tuple(reversed(self._load_ids.values()))
        spec = AfterSpec(what, self._org.url, self._place.url, ids, timeout, number, kill)
        [result] = run_together([spec], together=1, stagger=0.0, random=self._random)
        self._take_in([result])
        self.ends[what] += 1
        if result.ended is None or result.ended.how != "done":
            time.sleep(SETTLING + (HANG if self.scenario.late_calls else 0.0))
            self._place.let_claims_expire()
        return result

    def _disturbed(self) -> bool:
        ended_early = self.ends["killed"] + self.ends["call_error"] > 0
        return ended_early or self.counts["twins"] > 0 or any(self.faults[kind] for kind in LOSE_ANSWERS)

    def _load_evidence(self, plan: LoadPlan) -> LoadEvidence:
        audit, load_id = self._place.audit, self._load_ids[plan.name]
        load = audit.load(load_id)
        assert load is not None
        totals = audit.totals(load_id)
        document: Mapping[str, Any] = summarise(audit, load, totals, audit_conn_id=None)
        entries = list(audit.entries(load_id, page_size=5000))
        verdict = complaints(load, totals, Thresholds())
        changes = [made.change for made in audit.changes(load_id, records=100_000)]
        undeleted = frozenset(each.record_id for each in changes if each.field == IS_DELETED)
        return LoadEvidence(plan, load_id, entries, load.rows_read, document, verdict, undeleted)


def actions_of(outcomes: Sequence[Outcome]) -> Counter[Action]:
    """The entries of many runs by action."""
    return Counter({Action(name): rows for name, rows in sum((each.actions for each in outcomes), Counter()).items()})
