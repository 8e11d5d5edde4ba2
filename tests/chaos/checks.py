"""What must hold after every run. Pure functions from what the org and the audit say to findings.

The org's ledger is the truth: it was written by the org itself, whatever its clients were told. Rows are known in it
by their markers, values that no other row writes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import Any

from airflow_sf_dedup.core.entries import UNSETTLED, Action, Entry
from airflow_sf_dedup.database.storable import key_hash
from tests.chaos.accounts import STALE, account_for, newer_line, told_by_a_re_read
from tests.chaos.after_checks import After, one_mirror_record_for_each_match, what_was_matched_is_put_back
from tests.chaos.expected import Expected, Sent, expected_of
from tests.chaos.kin_checks import children_come_after_parents, twins_are_named, twins_meet_the_rule
from tests.chaos.scenario import CONTACT_FIELDS, MARKER, PARENT, LoadPlan, Scenario, parent_column
from tests.chaos.stale_checks import nothing_is_decided_by_a_rule_that_is_off
from tests.chaos.written import left_out, modes_hold

SAVED = frozenset({Action.CREATED, Action.UPDATED, Action.MATCHED_UPDATED, Action.SAVED_ANYWAY})

#: What a policy, a person, a newer state, a mode or a rule decides; a load may be green with such rows.
DECIDED = frozenset({Action.SKIPPED, Action.AWAITING_REVIEW, Action.HELD, Action.NOT_FOUND, Action.UNCHANGED})

#: Under these reasons ``created`` means: since the row was first sent, by this user (``journeys.lost_answers``). A
#: record that another load of the same user created meanwhile cannot be told from one's own.
CREATED_BY_DATE = frozenset({"answer_lost", "written_to_key_holder"})

#: Fields that the org works out from others, or that a decision fills in.
FOLLOWS = frozenset({"Name", "Contact__c", PARENT})

#: What every write changes.
DATES = frozenset({"LastModifiedDate", "SystemModstamp"})

#: Reasons under which an audit does not claim to know whether a row was there before.
SAYS_NOT_WHETHER_CREATED = frozenset({"created_or_updated", "stamped_by_an_earlier_try"})


#: What lines do that save a record.
_SAVES = ("created", "updated")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that should not be."""

    #: Number of the check, from 1.
    check: int
    text: str

    def __str__(self) -> str:
        return f"check {self.check}: {self.text}"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the ledger about what loads write to."""

    seq: int
    #: Number of the call that carried it, in the order in which calls came in.
    call: int
    at: datetime
    verb: str
    record_id: str | None
    key: str | None
    marker: str | None
    values: Mapping[str, Any]
    before: Mapping[str, Any]
    error: str | None = None

    @property
    def saved(self) -> bool:
        return self.verb in _SAVES

    @property
    def is_contact(self) -> bool:
        return (self.record_id or "").startswith("003")


def lines_of(ledger: Iterable[Mapping[str, Any]], key_name: str, before: Iterable[Mapping[str, Any]]) -> Iterator[Line]:
    """Lines as the org's ledger has them.

    :param before: the records that there were; one that is written by its id keeps the key that it has.
    """
    keys = {each["Id"]: each.get(key_name) for each in before}
    for entry in ledger:
        values, record_id = entry["values"], entry["record_id"]
        key = values.get(key_name) or keys.get(record_id)
        if record_id and entry["verb"] in _SAVES:
            keys[record_id] = key
        yield Line(
            seq=entry["seq"],
            call=entry["call"],
            at=datetime.fromisoformat(entry["at"]),
            verb=entry["verb"],
            record_id=record_id,
            key=key,
            marker=values.get(MARKER),
            values=values,
            before=entry["before"],
            error=entry["error"],
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was settled at a moment when no task ran."""

    #: The last call that had come in.
    last_call: int
    #: Load to row number to entry.
    settled: Mapping[str, Mapping[int, Entry]]


@dataclass(frozen=True)
class LoadEvidence:
    """What the audit says of one load in the end."""

    plan: LoadPlan
    load_id: str
    entries: Sequence[Entry]
    rows_read: int | None
    #: The document that travels as XCom.
    document: Mapping[str, Any]
    complaints: Sequence[str]
    #: Records of which it was told, before the call, that they leave the recycle bin.
    undeleted: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Evidence:
    """Everything that is known of a run."""

    scenario: Scenario
    lines: Sequence[Line]
    #: The live records in the end, by id.
    records: Mapping[str, Mapping[str, Any]]
    loads: Mapping[str, LoadEvidence]
    snapshots: Sequence[Snapshot] = ()
    #: Claims that hold in the end.
    key_claims: Sequence[Mapping[str, Any]] = ()
    record_claims: Sequence[Mapping[str, Any]] = ()
    #: A process was killed, so that claims were left behind.
    killed: bool = False
    #: Names of tasks whose process was killed or ended by an error of a call.
    ended_early: frozenset[str] = frozenset()
    #: A process was killed or doubled, or ended without knowing what became of a call.
    disturbed: bool = False
    #: What came after the loads; ``None``: nothing.
    after: After | None = None
    #: Counts what documented exceptions let pass.
    excused: Counter[str] = field(default_factory=Counter)

    @cached_property
    def expected(self) -> Mapping[str, Expected]:
        return {name: expected_of(load.plan, self.scenario.key_field) for name, load in self.loads.items()}

    @cached_property
    def saved_lines(self) -> Mapping[str, list[Line]]:
        """Marker to the lines that saved its row."""
        found: defaultdict[str, list[Line]] = defaultdict(list)
        for line in self.lines:
            if line.saved and line.marker:
                found[line.marker].append(line)
        return found

    @cached_property
    def sent_rows(self) -> Mapping[str, tuple[str, int, Sent]]:
        """Marker to load, row number and what should be sent."""
        return {
            self.loads[name].plan.marker(number): (name, number, sent)
            for name, expected in self.expected.items()
            for number, sent in expected.sent.items()
        }

    @cached_property
    def refused_lines(self) -> Mapping[str, list[Line]]:
        """Marker to the lines that refused its row."""
        found: defaultdict[str, list[Line]] = defaultdict(list)
        for line in self.lines:
            if line.error and line.marker:
                found[line.marker].append(line)
        return found

    @cached_property
    def states_by_key(self) -> Mapping[str, list[tuple[int, Line]]]:
        """Folded key to the states that were saved of it: how new each was, and its line."""
        found: defaultdict[str, list[tuple[int, Line]]] = defaultdict(list)
        for marker, lines in self.saved_lines.items():
            sent = self.sent_rows[marker][2] if marker in self.sent_rows else None
            if sent is not None and sent.order is not None:
                found[self.fold(sent.key)] += [(sent.order, line) for line in lines]
        return found

    @cached_property
    def states_before(self) -> Mapping[int, Mapping[str, Any]]:
        """Number of a line that saved to what its record held before; of a call that was repeated, before the first."""
        states: dict[str | None, Mapping[str, Any]] = {each["Id"]: each for each in self.scenario.before}
        found: dict[int, Mapping[str, Any]] = {}
        for line in self.lines:
            if line.saved:
                before = states.get(line.record_id, {})
                same = (each.seq for each in self.saved_lines.get(line.marker or "", ()) if _repeats(line, each))
                found[line.seq] = found.get(next(same, 0), before)
                states[line.record_id] = {**before, **line.values, "LastModifiedDate": line.at.isoformat()}
        return found

    @cached_property
    def deleted_before(self) -> frozenset[str]:
        """The records that are in the recycle bin before, by their ids."""
        return frozenset(each["Id"] for each in self.scenario.deleted_before)

    def plan_of(self, line: Line) -> LoadPlan:
        """Of the load that a line of ours is of."""
        return self.loads[(line.marker or "").partition("/")[0]].plan

    @property
    def calls_may_run_on(self) -> bool:
        """Whether the org may have gone on with a call whose client had given it up, or was gone."""
        return self.killed or _calls_may_run_on(self.scenario)

    def is_ours(self, line: Line) -> bool:
        """Whether it is of a row of the loads, and not of a client that knows no claims."""
        return (line.marker or "").partition("/")[0] in self.loads

    def fold(self, key: str) -> str:
        return self.scenario.key_field.fold(key)

    def in_bin_before(self, key: str) -> bool:
        """Whether a record in the recycle bin held the key when the run began."""
        name = self.scenario.key_field.name
        return any(self.fold(each.get(name) or "") == self.fold(key) for each in self.scenario.deleted_before)

    def by_key(self, lines: Iterable[Line]) -> Mapping[str, list[Line]]:
        found: defaultdict[str, list[Line]] = defaultdict(list)
        for line in lines:
            if line.key:
                found[self.fold(line.key)].append(line)
        return found


def _repeats(line: Line, earlier: Line) -> bool:
    return earlier.seq < line.seq and (earlier.record_id, earlier.values) == (line.record_id, line.values)


def findings(evidence: Evidence) -> list[Finding]:
    """Everything that is wrong with a run."""
    return [Finding(number, text) for number, check in enumerate(CHECKS, 1) for text in check(evidence)]


# -- 1. Never the duplicate ------------------------------------------------------------------------


def no_key_twice(evidence: Evidence) -> Iterator[str]:
    """No key is created that the org has already, and nothing is created without its key.

    What another client creates by a key that is not unique is its own affair; a unique key the org itself guards.
    """
    name, unique = evidence.scenario.key_field.name, evidence.scenario.key_field.unique
    held = Counter(evidence.fold(each[name]) for each in evidence.scenario.held_before if each.get(name))
    for line in evidence.lines:
        if line.verb == "created" and not line.key:
            yield f"line {line.seq} created {line.record_id} without a key"
    for key, lines in evidence.by_key(evidence.lines).items():
        all_created = [line for line in lines if line.verb == "created"]
        created = [line.seq for line in all_created if unique or evidence.is_ours(line)]
        if len(all_created) > len(created):
            evidence.excused["created by a stranger, by a key that is not unique"] += len(all_created) - len(created)
        if held[key] + len(created) > max(1, held[key]):
            yield f"key {key!r} was created by the lines {created}, {held[key]} records held it before"


# -- 2. Conservation -------------------------------------------------------------------------------


def each_row_once(evidence: Evidence) -> Iterator[str]:
    """Every source row has exactly one entry, final; all counts agree."""
    for name, load in evidence.loads.items():
        numbers = Counter(entry.row_number for entry in load.entries)
        expected = set(range(1, len(load.plan.rows) + 1))
        if missing := sorted(expected - numbers.keys()):
            yield f"{name}: rows {missing} have no entry"
        if extra := sorted(numbers.keys() - expected):
            yield f"{name}: rows {extra} have an entry and no row"
        if twice := sorted(number for number, count in numbers.items() if count > 1):
            yield f"{name}: rows {twice} have several entries"
        if load.rows_read != len(load.plan.rows):
            yield f"{name}: {load.rows_read} rows read of {len(load.plan.rows)}"
        yield from _not_final(evidence, name, load)
        actions = Counter(str(entry.action) for entry in load.entries)
        if (load.document["rows"], load.document["actions"]) != (len(load.entries), dict(sorted(actions.items()))):
            yield f"{name}: the document says {load.document['actions']}, the table {dict(actions)}"


def _not_final(evidence: Evidence, name: str, load: LoadEvidence) -> Iterator[str]:
    for entry in load.entries:
        if entry.action in (Action.UNKNOWN, Action.NOT_SENT) and account_for(evidence, load, entry) is None:
            yield (
                f"{name}: row {entry.row_number} stays {entry.action} "
                f"({entry.reason}, {entry.error_code}, {entry.error_message}) though nothing goes wrong any more"
            )


# -- 3. Audit equal to truth -----------------------------------------------------------------------


def audit_is_true(evidence: Evidence) -> Iterator[str]:
    """What the audit calls saved the org holds, from that row; what the org holds the audit calls saved."""
    for name, load in evidence.loads.items():
        expected = evidence.expected[name]
        for entry in load.entries:
            lines = evidence.saved_lines.get(load.plan.marker(entry.row_number), [])
            row = f"{name}: row {entry.row_number} ({entry.action}, {entry.reason})"
            if entry.action in SAVED:
                yield from _saved_truly(evidence, load, row, entry, lines)
            else:
                yield from _not_saved_truly(evidence, load, row, entry, lines)
            yield from _settled_truly(row, entry, expected)


def _not_saved_truly(
    evidence: Evidence, load: LoadEvidence, row: str, entry: Entry, lines: list[Line]
) -> Iterator[str]:
    """A row that is called not saved was not, and why it was not is so."""
    sent = evidence.expected[load.plan.name].sent.get(entry.row_number)
    why = account_for(evidence, load, entry)
    if lines and sent and _newer_by_now(evidence, entry, sent, lines):
        evidence.excused["stale by the time a later try came to it"] += 1
    elif lines and not (why and entry.action is Action.UNKNOWN):
        yield f"{row} is in the org by the lines {[line.seq for line in lines]}"
    elif why:
        evidence.excused[why] += 1
    elif sent and entry.action not in (Action.UNKNOWN, Action.NOT_SENT):
        yield f"{row} is not in the org, and neither the ledger nor the other rows of its key tell why"


def _newer_by_now(evidence: Evidence, entry: Entry, sent: Sent, lines: list[Line]) -> bool:
    """The row was written by a try that could not say so any more, and its key has gone on to a newer state since."""
    if entry.action is not Action.SKIPPED or entry.reason not in STALE:
        return False
    newer = newer_line(evidence, entry, sent)
    return newer is not None and newer.seq > lines[-1].seq


def _settled_truly(row: str, entry: Entry, expected: Expected) -> Iterator[str]:
    for action, numbers in ((Action.SUPERSEDED, expected.superseded), (Action.INVALID, expected.invalid)):
        if (entry.action is action) != (entry.row_number in numbers):
            yield f"{row} should {'' if entry.row_number in numbers else 'not '}be {action}"


def _saved_truly(evidence: Evidence, load: LoadEvidence, row: str, entry: Entry, lines: list[Line]) -> Iterator[str]:
    key_name = evidence.scenario.key_field.name
    sent = evidence.expected[load.plan.name].sent.get(entry.row_number)
    if sent is None:
        yield f"{row} should not have been sent"
        return
    if not lines and (why := told_by_a_re_read(evidence, load, entry, sent)):
        evidence.excused[why] += 1
        return
    if not lines:
        yield f"{row} was saved by no line of the ledger"
        return
    if entry.record_id not in {line.record_id for line in lines}:
        yield f"{row} is said to be {entry.record_id}, the lines say {[(line.seq, line.record_id) for line in lines]}"
    record = evidence.records.get(entry.record_id or "")
    if record is None:
        yield f"{row}: {entry.record_id} is no live record"
    elif evidence.fold(record.get(key_name) or "") != evidence.fold(sent.key):
        yield f"{row}: {entry.record_id} carries {record.get(key_name)!r}"
    for line in lines:
        yield from _wrote(row, line, sent, key_name, evidence)
    yield from _created_truly(evidence, row, entry, lines)


def _wrote(row: str, line: Line, sent: Sent, key_name: str, evidence: Evidence) -> Iterator[str]:
    kept = set() if line.is_contact else left_out(evidence, evidence.plan_of(line), line, sent)
    if wrong := sorted(name for name in kept if line.values.get(name) is not None):
        yield f"{row}: line {line.seq} wrote {wrong}, which it should have left"
    for name, value in sent.values.items():
        if name in kept or (line.is_contact and name not in (key_name, *CONTACT_FIELDS)):
            continue
        if name == parent_column(evidence.scenario.key_field):
            yield from _points_to_parent(row, line, value, evidence)
            continue
        written = line.values.get(name) or (line.key if name == key_name else None)
        if name == key_name and written is None and evidence.in_bin_before(sent.key):
            continue
        same = evidence.fold(written or "") == evidence.fold(sent.key) if name == key_name else written == value
        if not same:
            yield f"{row}: line {line.seq} wrote {name}={written!r} instead of {value!r}"
    if line.verb == "updated" and (more := line.values.keys() - sent.values.keys() - FOLLOWS):
        yield f"{row}: line {line.seq} wrote {sorted(more)} too"


def _points_to_parent(row: str, line: Line, key: str, evidence: Evidence) -> Iterator[str]:
    parent = evidence.records.get(line.values.get(PARENT) or "", {})
    held = parent.get(evidence.scenario.key_field.name)
    if held is None or evidence.fold(held) != evidence.fold(key):
        yield f"{row}: line {line.seq} wrote a parent that holds {held!r} instead of {key!r}"


def _created_truly(evidence: Evidence, row: str, entry: Entry, lines: list[Line]) -> Iterator[str]:
    created = any(line.verb == "created" for line in lines)
    if created and entry.action in (Action.UPDATED, Action.MATCHED_UPDATED):
        if entry.reason in SAYS_NOT_WHETHER_CREATED:
            evidence.excused["does not say whether it was created"] += 1
        else:
            yield f"{row} was created by line {next(line.seq for line in lines if line.verb == 'created')}"
    if entry.action is Action.CREATED and not created:
        if entry.reason in CREATED_BY_DATE and _created_during_the_run(evidence, lines):
            evidence.excused["created by another row while an answer was lost"] += 1
        else:
            yield f"{row} was not created, but updated by line {lines[0].seq}"


def _created_during_the_run(evidence: Evidence, lines: list[Line]) -> bool:
    return any(line.verb == "created" and line.record_id == lines[0].record_id for line in evidence.lines)


# -- 4. No lost update -----------------------------------------------------------------------------


def no_lost_update(evidence: Evidence) -> Iterator[str]:
    """A load's rows of a key are saved in their order, older states never over newer ones, and nothing in between."""
    for key, lines in evidence.by_key(line for line in evidence.lines if line.saved).items():
        yield from _in_order(evidence, key, lines)
    yield from _nothing_but_the_ledger(evidence)


def _in_order(evidence: Evidence, key: str, lines: list[Line]) -> Iterator[str]:
    """The last line of a load is of its last row, and the last line of all of the newest state.

    What goes back for a while and comes right again is excused for a row that was saved before: its task was killed,
    was doubled, or did not hear what became of its call.
    """
    by_load: defaultdict[str, list[tuple[int, Line]]] = defaultdict(list)
    by_order: list[tuple[int, Line]] = []
    for line in lines:
        if (found := evidence.sent_rows.get(line.marker or "")) is None:
            continue
        name, _, sent = found
        by_load[name].append((sent.place, line))
        if sent.order is not None:
            by_order.append((sent.order, line))
    for places in (*by_load.values(), by_order):
        yield from _never_back(evidence, key, places)


def _never_back(evidence: Evidence, key: str, places: list[tuple[int, Line]]) -> Iterator[str]:
    for (place, line), (next_place, next_line) in pairwise(places):
        if next_place >= place:
            continue
        came_right = places[-1][0] >= place
        if came_right and evidence.disturbed and evidence.saved_lines[next_line.marker or ""][0].seq < next_line.seq:
            evidence.excused["went back for a while to a row that was saved before"] += 1
        else:
            stays = "and comes right" if came_right else "and stays"
            late = f"; call {next_line.call} came after call {line.call}" if next_line.call < line.call else ""
            yield (
                f"key {key!r}: {next_line.marker} (line {next_line.seq}, {next_place}) went over {line.marker} "
                f"(line {line.seq}, {place}) {stays}{late}"
            )


def _nothing_but_the_ledger(evidence: Evidence) -> Iterator[str]:
    """The records are what the lines left, one over the other."""
    before = (*evidence.scenario.held_before, *evidence.scenario.contacts_before)
    state: dict[str, dict[str, Any]] = {each["Id"]: dict(each) for each in before}
    for line in evidence.lines:
        if line.saved and line.record_id:
            state.setdefault(line.record_id, {}).update(line.values)
    for record_id, values in state.items():
        record = evidence.records.get(record_id, {})
        wrong = sorted(name for name, value in values.items() if name not in DATES and record.get(name) != value)
        if wrong:
            yield f"record {record_id}: {wrong} are not what the ledger's last line wrote"


# -- 5. One key a record ---------------------------------------------------------------------------


def one_key_a_record(evidence: Evidence) -> Iterator[str]:
    """No record is stamped by two keys."""
    name = evidence.scenario.key_field.name
    stamped: Counter[str] = Counter()
    for line in evidence.lines:
        if line.verb != "updated" or name not in line.values or not line.record_id:
            continue
        before, after = line.before.get(name), line.values[name]
        if before and evidence.fold(before) != evidence.fold(after or ""):
            yield f"line {line.seq} gave {line.record_id} the key {after!r} over {before!r}"
        elif not before and after:
            stamped[line.record_id] += 1
    for record_id, times in stamped.items():
        if times > 1:
            yield f"record {record_id} was stamped {times} times"


# -- 6. First decisions are kept -------------------------------------------------------------------


def first_decisions_kept(evidence: Evidence) -> Iterator[str]:
    """What was settled once is never said otherwise later."""
    final = {name: {entry.row_number: entry for entry in load.entries} for name, load in evidence.loads.items()}
    moments = [snapshot.settled for snapshot in evidence.snapshots] + [final]
    for before, after in pairwise(moments):
        for name, entries in before.items():
            for number, entry in entries.items():
                now = after.get(name, {}).get(number)
                if now != entry:
                    said = f"{now.action} ({now.reason}, try {now.try_number})" if now else "nothing"
                    yield f"{name}: row {number} was {entry.action} ({entry.reason}), a later try says {said}"


# -- 7. Settled rows are not sent again ------------------------------------------------------------


def nothing_sent_again(evidence: Evidence) -> Iterator[str]:
    """A try sends no row that was settled before it began."""
    for snapshot in evidence.snapshots:
        settled = {
            evidence.loads[name].plan.marker(number): entry
            for name, entries in snapshot.settled.items()
            for number, entry in entries.items()
        }
        for line in evidence.lines:
            if line.call > snapshot.last_call and (entry := settled.get(line.marker or "")):
                yield f"line {line.seq} (call {line.call}) sent {line.marker} again, which was {entry.action}"


# -- 8. One writer per key -------------------------------------------------------------------------


def no_race_among_ourselves(evidence: Evidence) -> Iterator[str]:
    """Our own processes never make each other lose a race for a key."""
    by_key = evidence.by_key(evidence.lines)
    for line in evidence.lines:
        if line.error != "DUPLICATE_VALUE" or not evidence.is_ours(line):
            continue
        if evidence.in_bin_before(line.key or ""):
            evidence.excused["its key is held in the recycle bin"] += 1
            continue
        others = [each for each in by_key.get(evidence.fold(line.key or ""), []) if each is not line]
        if any(not evidence.is_ours(each) for each in others):
            evidence.excused["lost a race to a stranger"] += 1
        elif evidence.scenario.duplicate_value_is_injected:
            evidence.excused["lost a race, or a fault says so"] += 1
        elif evidence.calls_may_run_on and any(each.marker == line.marker for each in others):
            evidence.excused["lost a race to its own call, which nobody heard end"] += 1
        else:
            yield f"line {line.seq} (call {line.call}) was refused: {line.key!r} was in flight twice"


# -- 9. The verdict --------------------------------------------------------------------------------


def verdict_is_right(evidence: Evidence) -> Iterator[str]:
    """A load is green when all went well, and red when a row that nobody decided about is not in the org."""
    for name, load in evidence.loads.items():
        expected = evidence.expected[name]
        lost = [number for number in expected.sent if load.plan.marker(number) not in evidence.saved_lines]
        decided = {entry.row_number for entry in load.entries if _is_decided(evidence, load, entry)}
        bad = sorted({*lost, *expected.invalid} - decided)
        if bad and not load.complaints:
            yield f"{name} is green, but the rows {bad} are not in the org"
        open_ = any(entry.action in (Action.UNKNOWN, Action.NOT_SENT) for entry in load.entries)
        if not lost and not expected.invalid and load.complaints and not open_:
            yield f"{name} is red ({'; '.join(load.complaints)}), but all its rows are in the org"


def _is_decided(evidence: Evidence, load: LoadEvidence, entry: Entry) -> bool:
    sent = evidence.expected[load.plan.name].sent.get(entry.row_number)
    if entry.action in DECIDED:
        return account_for(evidence, load, entry) is not None
    return sent is not None and entry.action in SAVED and told_by_a_re_read(evidence, load, entry, sent) is not None


# -- 10. Nothing is held -----------------------------------------------------------------------------


def nothing_held(evidence: Evidence) -> Iterator[str]:
    """In the end only what nobody knows the outcome of holds claims: unknown rows, processes and calls."""
    unknown = {
        load.load_id: {key_hash((entry.key or "").lower()) for entry in load.entries if entry.action is Action.UNKNOWN}
        for load in evidence.loads.values()
    }
    for claim in evidence.key_claims:
        if claim["key_hash"] in unknown.get(claim["load_id"], set()):
            continue
        if claim["task"] in evidence.ended_early:
            evidence.excused["left behind by a process that ended early"] += 1
        elif not claim["token"] and _calls_may_run_on(evidence.scenario):
            evidence.excused["left until a call that was given up cannot come any more"] += 1
        else:
            yield f"{claim['task']} still holds a key"
    for claim in evidence.record_claims:
        if not unknown.get(claim["load_id"]):
            yield f"load {claim['load_id']} still holds record {claim['record_id']}"


def _calls_may_run_on(scenario: Scenario) -> bool:
    """Whether a call may have been given up that the org might still carry out."""
    breaks = {"reset", "truncate", "unavailable"}
    return scenario.late_calls or not breaks.isdisjoint(fault["kind"] for fault in scenario.faults)


# -- 11. Nothing comes back unasked ----------------------------------------------------------------


def nothing_comes_back_unasked(evidence: Evidence) -> Iterator[str]:
    """A record leaves the recycle bin only for a row whose policy undeletes, and the audit was told before."""
    told = {
        record_id for load in evidence.loads.values() if "undelete" in load.plan.policy for record_id in load.undeleted
    }
    for line in evidence.lines:
        if line.verb == "undeleted" and line.record_id not in told:
            yield f"line {line.seq} undeleted {line.record_id}, and no change in the audit tells of it"


CHECKS: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    no_key_twice,
    each_row_once,
    audit_is_true,
    no_lost_update,
    one_key_a_record,
    first_decisions_kept,
    nothing_sent_again,
    no_race_among_ourselves,
    verdict_is_right,
    nothing_held,
    nothing_comes_back_unasked,
    twins_meet_the_rule,
    twins_are_named,
    children_come_after_parents,
    modes_hold,
    one_mirror_record_for_each_match,
    what_was_matched_is_put_back,
    nothing_is_decided_by_a_rule_that_is_off,
)


def settled_of(entries: Iterable[Entry]) -> Mapping[int, Entry]:
    """The entries that later tries must leave alone."""
    return {entry.row_number: entry for entry in entries if entry.action not in UNSETTLED}
