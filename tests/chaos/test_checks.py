"""Each check finds what it is for: a run that is right has no findings, the same run doctored has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_sf_dedup.core.entries import Action, Entry, MatchEntry
from airflow_sf_dedup.database.storable import key_hash
from airflow_sf_dedup.journeys.parents import PARENT_NOT_SAVED
from tests.chaos.after_checks import After
from tests.chaos.checks import CHECKS, Evidence, Line, LoadEvidence, Snapshot, findings, no_lost_update
from tests.chaos.expected import expected_of
from tests.chaos.scenario import KEY_FIELDS, ORDER, PARENT, LoadPlan, Scenario, Schedule, parent_column

KEY = "Folded_Key__c"
NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
HELD = {"Id": "00Q_held", "LastName": "Held", "Marker__c": "before/1", "Email": "a@example.com"}


def source_row(number: int, key: str, **values: Any) -> dict[str, Any]:
    return {KEY: key, "Marker__c": f"load1/{number}", "LastName": f"Name {number}", **values}


ROWS = (
    source_row(1, "K-1", City="Bonn"),
    source_row(2, "K-2"),
    source_row(3, "k-1", City="Rome"),
    source_row(4, "K-3", Email="a@example.com"),
)
PLAN = LoadPlan("load1", ROWS, 1, "in_order", "update_existing | ask_reviewer", False, None, 1, 1, 1)
SCENARIO = Scenario(1, "plain", "sqlite", KEY_FIELDS[0], (HELD,), (PLAN,), (), {}, Schedule(False, 1, 1))


def line(seq: int, verb: str, record_id: str | None, number: int, **before: Any) -> Line:
    values = ROWS[number - 1]
    return Line(seq, seq, NOW, verb, record_id, values[KEY], values["Marker__c"], values, before)


def refused(seq: int, key: str, error: str, marker: str | None = None) -> Line:
    return Line(seq, seq, NOW, "refused", None, key, marker, {KEY: key, "Marker__c": marker}, {}, error)


def strangers(seq: int, verb: str, record_id: str, key: str) -> Line:
    """A line of a client that is not ours."""
    return Line(seq, seq, NOW, verb, record_id, key, "stranger/1", {KEY: key, "Marker__c": "stranger/1"}, {})


LINES = (
    line(1, "created", "00Q_1", 1),
    line(2, "created", "00Q_2", 2),
    refused(3, "K-3", "DUPLICATES_DETECTED", "load1/4"),
    line(4, "updated", "00Q_1", 3, **{KEY: "K-1", "City": "Bonn"}),
    line(5, "updated", "00Q_held", 4, **{KEY: None}),
)


def entry(number: int, action: Action, record_id: str | None, **more: Any) -> Entry:
    return Entry(row_number=number, action=action, at=NOW, key=ROWS[number - 1][KEY], record_id=record_id, **more)


ENTRIES = (
    entry(1, Action.CREATED, "00Q_1"),
    entry(2, Action.CREATED, "00Q_2"),
    entry(3, Action.UPDATED, "00Q_1"),
    entry(4, Action.MATCHED_UPDATED, "00Q_held"),
)
RECORDS = {
    "00Q_1": {"Id": "00Q_1", **ROWS[0], **ROWS[2]},
    "00Q_2": {"Id": "00Q_2", **ROWS[1]},
    "00Q_held": {**HELD, **ROWS[3]},
}
EARLIER = Snapshot(last_call=2, settled={"load1": {1: ENTRIES[0], 2: ENTRIES[1]}})


def document(entries: tuple[Entry, ...]) -> Mapping[str, Any]:
    names = sorted(str(each.action) for each in entries)
    return {"rows": len(entries), "actions": {name: names.count(name) for name in names}}


def load(entries: tuple[Entry, ...] = ENTRIES, **changes: Any) -> LoadEvidence:
    return replace(LoadEvidence(PLAN, "id-1", entries, len(ROWS), document(entries), ()), **changes)


def evidence(**changes: Any) -> Evidence:
    right = Evidence(SCENARIO, LINES, RECORDS, {"load1": load()}, (EARLIER,))
    return replace(right, **changes)


def with_entry(number: int, **changes: Any) -> Evidence:
    entries = tuple(replace(each, **changes) if each.row_number == number else each for each in ENTRIES)
    return evidence(loads={"load1": load(entries)})


def with_lines(*more: Line) -> Evidence:
    return evidence(lines=(*LINES, *more))


def doctored_line(seq: int, **changes: Any) -> Evidence:
    return evidence(lines=[replace(each, **changes) if each.seq == seq else each for each in LINES])


def doctored_record(record_id: str, **changes: Any) -> Evidence:
    return evidence(records={**RECORDS, record_id: {**RECORDS[record_id], **changes}})


def without_record(record_id: str) -> Evidence:
    return evidence(records={name: each for name, each in RECORDS.items() if name != record_id})


def claim(**changes: Any) -> dict[str, Any]:
    claimed = {"key_hash": key_hash("k-1"), "load_id": "id-1", "task": "upsert", "token": "a", "record_id": "00Q_held"}
    return {**claimed, **changes}


#: The matched lead leaves the recycle bin.
UNDELETED = Line(6, 6, NOW, "undeleted", "00Q_held", None, None, {}, {})
UNDELETING = replace(PLAN, policy="undelete | ask_reviewer")

#: A unique field keeps the key of row 2 for a record in the recycle bin.
KEPT_IN_BIN = replace(SCENARIO, deleted_before=({**HELD, "Id": "00Q_gone", KEY: "k-2"},))
LOOSE = replace(KEY_FIELDS[0], unique=False)
UNSAVED = [each for each in LINES if each.seq != 2]


def unsaved(action: Action, *lines: Line, reason: str | None = None, **changes: Any) -> Evidence:
    """Row 2 is not in the org, and this is what its entry and the ledger say of it."""
    entries = tuple(
        replace(each, action=action, reason=reason, record_id=None, **changes) if each.row_number == 2 else each
        for each in ENTRIES
    )
    records = {name: each for name, each in RECORDS.items() if name != "00Q_2"}
    red = () if action in (Action.SKIPPED, Action.AWAITING_REVIEW, Action.HELD) else ("red",)
    loads = {"load1": load(entries, complaints=red)}
    return evidence(lines=[*UNSAVED, *lines], records=records, loads=loads, snapshots=())


def ordered_run(*, newer: str, stale_at: datetime = NOW) -> Evidence:
    """Row 1 of load1 is called stale; ``newer`` says what became of row 1 of load2, whose state is newer.

    The line that it saved, if it did, is a minute younger than ``NOW``.
    """
    rows = {name: {**ROWS[1], "Marker__c": f"{name}/1", ORDER: order} for name, order in (("load1", 5), ("load2", 9))}
    plans = {name: replace(PLAN, name=name, rows=(values,), newer_than=True) for name, values in rows.items()}
    values = {field: value for field, value in rows["load2"].items() if field != ORDER}
    marker = "load2/1"
    saved = Line(1, 1, NOW + timedelta(minutes=1), "created", "00Q_2", "K-2", marker, values, {})
    was_saved, action = newer == "saved", Action.CREATED if newer == "saved" else Action.AWAITING_REVIEW
    entries = {
        "load1": (Entry(1, Action.SKIPPED, stale_at, key="K-2", reason="stale"),),
        "load2": (Entry(1, action, NOW, key="K-2", record_id="00Q_2" if was_saved else None),),
    }
    return Evidence(
        replace(SCENARIO, held_before=(), loads=tuple(plans.values())),
        (saved,) if was_saved else (refused(1, "K-2", "DUPLICATES_DETECTED", marker),),
        {"00Q_2": {"Id": "00Q_2", **values}} if was_saved else {},
        {name: LoadEvidence(plans[name], name, each, 1, document(each), ()) for name, each in entries.items()},
    )


COLUMN = parent_column(KEY_FIELDS[0])


class KinRun:
    """Row 2 may be a twin of row 1, by whose record a rule blocks it; row 3 names row 1 as its parent."""

    ROWS = (
        source_row(1, "K-1", Email="a@example.com"),
        source_row(2, "K-2", Email="A@example.com"),
        {**source_row(3, "K-3"), COLUMN: "k-1"},
    )
    PLAN = replace(PLAN, rows=ROWS, twin_fields=("Email",), policy="skip")

    @classmethod
    def line(cls, number: int, verb: str = "created", **changes: Any) -> Line:
        values = {name: value for name, value in cls.ROWS[number - 1].items() if name != COLUMN}
        values |= {PARENT: "00Q_1"} if number == 3 else {}
        made = Line(number, number, NOW, verb, f"00Q_{number}", values[KEY], values["Marker__c"], values, {})
        return replace(made, **changes)

    @classmethod
    def entry(cls, number: int, action: Action, **changes: Any) -> Entry:
        record_id = f"00Q_{number}" if action is Action.CREATED else None
        group = 1 if number < 3 else None
        made = Entry(number, action, NOW, key=cls.ROWS[number - 1][KEY], record_id=record_id, twin_group=group)
        return replace(made, **changes)

    @classmethod
    def evidence(cls, lines: Mapping[int, Line] = {}, entries: Mapping[int, Entry] = {}) -> Evidence:
        """As it should be, but for the lines and entries of some rows."""
        refused = cls.line(2, "refused", record_id=None, error="DUPLICATES_DETECTED")
        told = {1: cls.line(1), 2: refused, 3: cls.line(3), **lines}
        said = {1: cls.entry(1, Action.CREATED), 2: cls.entry(2, Action.SKIPPED), 3: cls.entry(3, Action.CREATED)}
        found = tuple({**said, **entries}.values())
        records = {line.record_id: {"Id": line.record_id, **line.values} for line in told.values() if line.saved}
        loads = {"load1": LoadEvidence(cls.PLAN, "id-1", found, 3, document(found), ())}
        return Evidence(
            replace(SCENARIO, held_before=(), loads=(cls.PLAN,)),
            list(told.values()),
            {str(record_id): record for record_id, record in records.items()},
            loads,
        )

    @classmethod
    def both_in(cls) -> Evidence:
        return cls.evidence({2: cls.line(2)}, {2: cls.entry(2, Action.CREATED)})

    @classmethod
    def waits_for_twin(cls, *, first: Action) -> Evidence:
        """Row 2 waits for row 1, of which no line tells that it was saved."""
        waits = cls.entry(2, Action.NOT_SENT, reason="twin_not_settled", error_message="row 1 of this load is so")
        other = strangers(9, "created", "00Q_9", "K-1")
        lines = {1: cls.line(1, "refused", record_id=None, error="INVALID_FIELD"), 9: replace(other, marker="load1/9")}
        unknown = cls.entry(1, first, record_id=None, error_code="NO_ANSWER")
        return replace(cls.evidence(lines, {1: unknown, 2: waits}), disturbed=True)

    @classmethod
    def parent_failed(cls, reason: str | None) -> Evidence:
        refused = cls.line(1, "refused", record_id=None, error="STRING_TOO_LONG")
        found = cls.without_parent(reason)
        entries = (cls.entry(1, Action.FAILED, record_id=None), *found.loads["load1"].entries[1:])
        return replace(
            found,
            lines=[refused, *found.lines[1:]],
            loads={"load1": LoadEvidence(cls.PLAN, "id-1", entries, 3, document(entries), ("red",))},
            records={},
        )

    @classmethod
    def without_parent(cls, reason: str | None) -> Evidence:
        refused = cls.line(3, "refused", record_id=None, error="INVALID_FIELD")
        message = f"Foreign key external ID: k-1 not found for field {KEY} in entity Lead"
        return cls.evidence({3: refused}, {3: cls.entry(3, Action.FAILED, reason=reason, error_message=message)})


RULED = source_row(1, "K-1", Title="Dr.", City="Rome")
#: Under each setting, one row meets a record that has a title: as the key's holder, or as a match that is stamped.
MET = {"Id": "00Q_met", "LastName": "Held", "Marker__c": "before/1", "Title": "Prof."}
FILLS = "update_existing(fields={'Title': 'keep', 'City': 'fill_blanks', '*': 'all'}) | skip"


def ruled(
    action: Action,
    *fields: str,
    mode: str = "upsert",
    rules: Mapping[str, str] = {},
    held: bool = True,
    policy: str = "skip",
    **entry: Any,
) -> Evidence:
    """A row that writes these of its fields to a record that there is, or none.

    :param held: whether the record holds the key of the row.
    """
    plan = replace(PLAN, rows=(RULED,), mode=mode, field_rules=rules, policy=policy)
    before = {**MET, KEY: "K-1"} if held else MET
    values = {name: RULED[name] for name in (KEY, "Marker__c", *fields)}
    told = [] if held else [refused(1, "K-1", "DUPLICATES_DETECTED", "load1/1")]
    if fields:
        told.append(Line(2, 2, NOW, "updated", "00Q_met", "K-1", "load1/1", values, {KEY: before.get(KEY)}))
    said = (Entry(1, action, NOW, key="K-1", record_id="00Q_met", **entry),)
    record = {**before, **values} if fields else before
    return Evidence(
        replace(SCENARIO, held_before=(before,), loads=(plan,)),
        told,
        {"00Q_met": record},
        {"load1": LoadEvidence(plan, "id-1", said, 1, document(said), ())},
    )


def not_found(*, held: bool, mode: str = "update_only") -> Evidence:
    return ruled(Action.NOT_FOUND, mode=mode, held=held)


BLANKS = {"Title": "only_blanks", "City": "only_blanks"}


def by_rules(*names: str) -> Evidence:
    """Row 4 was refused by these rules, of which one is switched off."""
    matches = tuple(MatchEntry("00Q_held", "Lead", duplicate_rule=name) for name in names)
    found = with_entry(4, error_code="DUPLICATES_DETECTED", matches=matches)
    plan = replace(PLAN, policy=f"retry_stale_rule | {PLAN.policy}")
    loads = {"load1": replace(found.loads["load1"], plan=plan)}
    return replace(found, scenario=replace(SCENARIO, stale_rules=("Off",)), loads=loads)


#: The record of the key as the loads of a run have left it, and the line that puts it back.
STAMPED = {**HELD, **ROWS[3]}
BACK = {**dict.fromkeys(ROWS[3]), **{name: value for name, value in HELD.items() if name != "Id"}}
#: Row 4 met the record that was there; the mirror tells so.
BLOCKED = tuple(
    replace(each, matches=(MatchEntry("00Q_held", "Lead"), MatchEntry("00Q_held", "Lead")))
    if each.row_number == 4
    else each
    for each in ENTRIES
)
MIRRORED = {"Audit_Key__c": "id-1/4/00Q_held", "Action__c": "matched_updated"}


def reverting(record_id: str = "00Q_held", values: Mapping[str, Any] = BACK, **changes: Any) -> Mapping[str, Any]:
    """A line of a revert."""
    return {"seq": 9, "verb": "updated", "record_id": record_id, "values": values, "error": None, **changes}


def afterwards(
    *lines: Mapping[str, Any],
    mirrored: tuple[Mapping[str, Any], ...] = (MIRRORED,),
    edited: Mapping[str, Any] = {},
    changed: Mapping[str, Any] = {},
) -> Evidence:
    """A run that was mirrored and taken back.

    :param edited: what somebody has typed into the matched record meanwhile.
    :param changed: what it holds in the end though no line wrote it.
    """
    before = {**RECORDS, "00Q_held": {**STAMPED, **edited}}
    records = {name: dict(record) for name, record in before.items()}
    for each in lines:
        if each["verb"] == "updated" and not each["error"]:
            records[each["record_id"]].update(each["values"])
    records["00Q_held"].update(changed)
    return evidence(loads={"load1": load(BLOCKED)}, snapshots=(), after=After(lines, before, records, mirrored))


def checks_of(found: Evidence) -> set[int]:
    return {finding.check for finding in findings(found)}


def test_a_run_that_is_right_has_no_findings() -> None:
    assert findings(evidence()) == []
    assert findings(KinRun.evidence()) == []


DOCTORED: dict[str, tuple[int, Callable[[], Evidence]]] = {
    "a key created twice": (1, lambda: with_lines(line(6, "created", "00Q_9", 1))),
    "a key created that a record held before": (
        1,
        lambda: evidence(scenario=replace(SCENARIO, held_before=({**HELD, KEY: "k-2"},))),
    ),
    "a key created twice although it is not unique": (
        1,
        lambda: replace(with_lines(line(6, "created", "00Q_9", 1)), scenario=replace(SCENARIO, key_field=LOOSE)),
    ),
    "a unique key created by a stranger too": (1, lambda: with_lines(strangers(6, "created", "00Q_9", "K-1"))),
    "a record created without a key": (1, lambda: doctored_line(2, key=None)),
    "a row without an entry": (2, lambda: evidence(loads={"load1": load(ENTRIES[:3])})),
    "a row with two entries": (2, lambda: evidence(loads={"load1": load((*ENTRIES, ENTRIES[0]))})),
    "an entry without a row": (
        2,
        lambda: evidence(loads={"load1": load((*ENTRIES, replace(ENTRIES[0], row_number=5)))}),
    ),
    "a row that stays unknown": (2, lambda: with_entry(2, action=Action.UNKNOWN)),
    "a row that stays unknown with one record of its key": (
        2,
        lambda: with_entry(2, action=Action.UNKNOWN, matches=(MatchEntry("00Q_2", "Lead"),)),
    ),
    "a row that stays behind an earlier one that did not fail": (
        2,
        lambda: with_entry(3, action=Action.NOT_SENT, reason="earlier_row_not_settled"),
    ),
    "a row that stays not sent": (2, lambda: with_entry(2, action=Action.NOT_SENT, reason="key_in_flight")),
    "rows that were not read": (2, lambda: evidence(loads={"load1": load(rows_read=3)})),
    "a document that counts otherwise": (
        2,
        lambda: evidence(loads={"load1": load(document={"rows": 4, "actions": {"created": 4}})}),
    ),
    "a success that no line tells of": (3, lambda: evidence(lines=[each for each in LINES if each.seq != 2])),
    "a success that the org does not hold": (3, lambda: without_record("00Q_2")),
    "a success under another key": (3, lambda: doctored_record("00Q_2", **{KEY: "K-9"})),
    "a success with another record": (3, lambda: with_entry(2, record_id="00Q_1")),
    "a success with other values": (3, lambda: doctored_line(2, values={**ROWS[1], "LastName": "Else"})),
    "a success with more values": (3, lambda: doctored_line(4, values={**ROWS[2], "Phone": "1"})),
    "a saved row that is called failed": (3, lambda: with_entry(2, action=Action.FAILED)),
    "a saved row that is called skipped": (3, lambda: with_entry(2, action=Action.SKIPPED)),
    "a row that no rule refused and that is called skipped": (3, lambda: unsaved(Action.SKIPPED)),
    "a row that awaits a person because a rule refused another of its key": (
        3,
        lambda: unsaved(Action.AWAITING_REVIEW, refused(6, "K-2", "DUPLICATES_DETECTED", "load2/9")),
    ),
    "a row that is held behind none": (3, lambda: unsaved(Action.HELD)),
    "a row that nothing refused and that is called failed": (3, lambda: unsaved(Action.FAILED)),
    "a row that is stale by a state that awaits a person": (3, lambda: ordered_run(newer="awaiting_review")),
    "a row that was called stale before the newer state was saved": (3, lambda: ordered_run(newer="saved")),
    "an update that is called created": (3, lambda: with_entry(3, action=Action.CREATED)),
    "a create that is called updated": (3, lambda: with_entry(2, action=Action.UPDATED)),
    "a sent row that is called superseded": (3, lambda: with_entry(2, action=Action.SUPERSEDED)),
    "an older row over a newer one": (4, lambda: with_lines(replace(LINES[0], seq=6, call=2, verb="updated"))),
    "a value that the ledger did not write": (4, lambda: doctored_record("00Q_1", City="Oslo")),
    "a record that got another key": (5, lambda: doctored_line(4, before={KEY: "K-8"})),
    "a record that was stamped twice": (5, lambda: with_lines(replace(LINES[4], seq=6))),
    "a first decision that was changed": (6, lambda: with_entry(1, at=NOW.replace(year=2027))),
    "a first decision that is gone": (6, lambda: evidence(loads={"load1": load(ENTRIES[1:])})),
    "a settled row that was sent again": (
        7,
        lambda: with_lines(replace(line(6, "updated", "00Q_2", 2), before={KEY: "K-2"})),
    ),
    "a race of another row than the one whose call may run on": (
        8,
        lambda: replace(with_lines(refused(6, "K-2", "DUPLICATE_VALUE", "load1/9")), killed=True),
    ),
    "a race among ourselves": (8, lambda: with_lines(refused(6, "K-2", "DUPLICATE_VALUE", "load1/2"))),
    "red for nothing": (9, lambda: evidence(loads={"load1": load(complaints=("red",))})),
    "green with a lost row whose key another row met a rule by": (
        9,
        lambda: unsaved(Action.SKIPPED, refused(6, "K-2", "DUPLICATES_DETECTED", "load2/9")),
    ),
    "green with a row that is stale by nothing that was saved": (9, lambda: ordered_run(newer="awaiting_review")),
    "green with a lost row": (9, lambda: evidence(lines=[each for each in LINES if each.seq != 2])),
    "a key that stays claimed": (10, lambda: evidence(key_claims=[claim()])),
    "a record that stays claimed": (10, lambda: evidence(record_claims=[claim()])),
    "a record that is undeleted though no policy undeletes": (11, lambda: with_lines(UNDELETED)),
    "a record that is undeleted and of which no change tells": (
        11,
        lambda: replace(with_lines(replace(UNDELETED, record_id="00Q_gone")), loads={"load1": load(plan=UNDELETING)}),
    ),
    "a child that points to another record than its parent": (
        3,
        lambda: KinRun.evidence({3: KinRun.line(3, values={**KinRun.line(3).values, PARENT: "00Q_3"})}),
    ),
    "two twins that a rule should have told apart": (12, KinRun.both_in),
    "a twin that its entry does not name": (
        13,
        lambda: KinRun.evidence(entries={2: KinRun.entry(2, Action.SKIPPED, twin_group=None)}),
    ),
    "twins in two groups": (
        13,
        lambda: KinRun.evidence(entries={2: KinRun.entry(2, Action.SKIPPED, twin_group=2)}),
    ),
    "twins whose group is not the row that went first": (
        13,
        lambda: KinRun.evidence(
            entries={1: KinRun.entry(1, Action.CREATED, twin_group=3), 2: KinRun.entry(2, Action.SKIPPED, twin_group=3)}
        ),
    ),
    "a row without a twin that has a group": (
        13,
        lambda: KinRun.evidence(entries={3: KinRun.entry(3, Action.CREATED, twin_group=1)}),
    ),
    "a child that failed for want of a parent that was saved": (14, lambda: KinRun.without_parent(PARENT_NOT_SAVED)),
    "a child that does not say that its parent failed": (14, lambda: KinRun.parent_failed(None)),
    "a row that stays behind a twin that failed": (2, lambda: KinRun.waits_for_twin(first=Action.FAILED)),
    "a record that is created though the load only updates": (
        15,
        lambda: evidence(loads={"load1": load(plan=replace(PLAN, mode="update_only"))}),
    ),
    "a record that is updated though the load only creates": (
        15,
        lambda: ruled(Action.UPDATED, "LastName", "Title", "City", mode="create_only"),
    ),
    "a field that a rule should have kept": (
        3,
        lambda: ruled(Action.UPDATED, "LastName", "Title", "City", rules=BLANKS),
    ),
    "a blank that was not filled": (3, lambda: ruled(Action.UPDATED, "LastName", rules=BLANKS)),
    "a field that a policy should have kept": (
        3,
        lambda: ruled(Action.MATCHED_UPDATED, "LastName", "Title", "City", held=False, policy=FILLS),
    ),
    "a blank that a policy did not fill": (
        3,
        lambda: ruled(Action.MATCHED_UPDATED, "LastName", held=False, policy=FILLS),
    ),
    "a row that is not found though a record holds its key": (3, lambda: not_found(held=True)),
    "a row that is not found though its load may create": (3, lambda: not_found(held=False, mode="upsert")),
    "a row whose key is said to exist and does not": (
        3,
        lambda: ruled(Action.SKIPPED, mode="create_only", held=False, reason="key_exists"),
    ),
    "an unchanged row that would fill a blank": (3, lambda: ruled(Action.UNCHANGED, rules={**BLANKS, "*": "never"})),
    "a lost answer of a row that would fill a blank": (
        3,
        lambda: replace(ruled(Action.UPDATED, rules={**BLANKS, "*": "never"}, reason="answer_lost"), disturbed=True),
    ),
    "a match that is not mirrored": (16, lambda: afterwards(reverting(), mirrored=())),
    "a match that is mirrored twice": (16, lambda: afterwards(reverting(), mirrored=(MIRRORED, MIRRORED))),
    "a mirror record that says otherwise": (
        16,
        lambda: afterwards(reverting(), mirrored=({**MIRRORED, "Action__c": "skipped"},)),
    ),
    "a mirror record of nothing": (
        16,
        lambda: afterwards(reverting(), mirrored=(MIRRORED, {**MIRRORED, "Audit_Key__c": "id-1/2/"})),
    ),
    "a match that is not put back": (17, afterwards),
    "a field that is not put back": (17, lambda: afterwards(reverting(values={**BACK, "LastName": "Name 4"}))),
    "a key that stays on a match": (17, lambda: afterwards(reverting(values={**BACK, KEY: "K-3"}))),
    "a record that is created by a revert": (17, lambda: afterwards(reverting(), reverting(verb="created"))),
    "a value that the record never held": (17, lambda: afterwards(reverting(values={**BACK, "LastName": "Else"}))),
    "a field that no load has written": (17, lambda: afterwards(reverting(values={**BACK, "Phone": "1"}))),
    "an update by key that is taken back": (
        17,
        lambda: afterwards(reverting(), reverting("00Q_1", {"City": None})),
    ),
    "what somebody else has typed": (17, lambda: afterwards(reverting(), edited={"LastName": "Typed"})),
    "a change that no line tells of": (17, lambda: afterwards(reverting(), changed={"Title": "Dr."})),
    "a row that is decided about by a rule that is off": (18, lambda: by_rules("Off")),
    "a row that is called refused by a key that nothing in the recycle bin holds": (
        3,
        lambda: unsaved(Action.SKIPPED, refused(6, "K-2", "DUPLICATE_VALUE", "load1/2")),
    ),
}


@pytest.mark.parametrize(("check", "doctored"), DOCTORED.values(), ids=DOCTORED)
def test_a_doctored_run_is_found(check: int, doctored: Callable[[], Evidence]) -> None:
    assert check in checks_of(doctored())


def test_every_check_is_doctored() -> None:
    assert {check for check, _ in DOCTORED.values()} == set(range(1, len(CHECKS) + 1))


def test_an_older_state_over_a_newer_one_is_found_across_loads() -> None:
    rows = {name: {**ROWS[1], "Marker__c": f"{name}/1", ORDER: order} for name, order in (("load1", 5), ("load2", 9))}
    plans = {name: replace(PLAN, name=name, rows=(values,), newer_than=True) for name, values in rows.items()}

    def written(seq: int, verb: str, name: str) -> Line:
        values = {field: value for field, value in rows[name].items() if field != ORDER}
        return Line(seq, seq, NOW, verb, "00Q_2", "K-2", f"{name}/1", values, {KEY: "K-2"} if seq > 1 else {})

    def of(first: str, second: str) -> set[int]:
        lines = (written(1, "created", first), written(2, "updated", second))
        actions = {first: Action.CREATED, second: Action.UPDATED}
        entries = {name: (Entry(1, actions[name], NOW, key="K-2", record_id="00Q_2"),) for name in rows}
        loads = {
            name: LoadEvidence(plan, name, entries[name], 1, document(entries[name]), ())
            for name, plan in plans.items()
        }
        scenario = replace(SCENARIO, held_before=(), loads=tuple(plans.values()))
        return checks_of(Evidence(scenario, lines, {"00Q_2": {"Id": "00Q_2", **lines[1].values}}, loads))

    assert of("load1", "load2") == set()
    assert of("load2", "load1") == {4}


@pytest.mark.parametrize(
    "found",
    [
        evidence(key_claims=[claim(task="killed")], ended_early=frozenset({"killed"})),
        evidence(key_claims=[claim(token="")], scenario=replace(SCENARIO, late_calls=True)),
        with_entry(3, action=Action.CREATED, reason="answer_lost"),
        with_entry(2, action=Action.UPDATED, reason="created_or_updated"),
        unsaved(Action.SKIPPED, refused(6, "K-2", "DUPLICATES_DETECTED", "load1/2")),
        unsaved(Action.AWAITING_REVIEW, refused(6, "K-2", "DUPLICATES_DETECTED", "load1/2")),
        unsaved(Action.FAILED, refused(6, "K-2", "REQUIRED_FIELD_MISSING", "load1/2")),
        replace(
            with_lines(strangers(6, "created", "00Q_9", "K-2")),
            scenario=replace(SCENARIO, key_field=LOOSE),
            records={**RECORDS, "00Q_9": {"Id": "00Q_9", KEY: "K-2", "Marker__c": "stranger/1"}},
        ),
        with_lines(strangers(6, "updated", "00Q_gone", "K-9"), refused(7, "K-9", "DUPLICATE_VALUE", "load1/9")),
        replace(with_lines(refused(6, "K-2", "DUPLICATE_VALUE", "load1/2")), killed=True, snapshots=()),
        replace(with_lines(refused(6, "K-2", "DUPLICATE_VALUE", "load1/2")), scenario=KEPT_IN_BIN, snapshots=()),
    ],
    ids=[
        "left behind by a kill",
        "left for a late call",
        "created by date",
        "says not whether created",
        "a rule refused the row, and it is skipped",
        "a rule refused the row, and it awaits a person",
        "the org refused the row",
        "a stranger created a record of a key that is not unique",
        "a stranger was faster",
        "its own call ran on",
        "a record in the recycle bin holds the key",
    ],
)
def test_what_is_documented_is_excused_and_counted(found: Evidence) -> None:
    assert checks_of(found) <= {4, 6}
    assert sum(found.excused.values()) == 1


@pytest.mark.parametrize(
    "found",
    [
        ruled(Action.UPDATED, "LastName", "City", rules=BLANKS),
        ruled(Action.MATCHED_UPDATED, "LastName", "City", held=False, policy=FILLS),
        not_found(held=False),
        ruled(Action.SKIPPED, mode="create_only", reason="key_exists"),
        ruled(Action.UNCHANGED, rules={"*": "on_create_only"}),
        replace(ruled(Action.UPDATED, rules={"*": "never"}, reason="answer_lost"), disturbed=True),
    ],
    ids=["rules", "policy", "not found", "key exists", "unchanged", "answer lost"],
)
def test_what_a_mode_or_a_rule_leaves_is_no_finding(found: Evidence) -> None:
    assert checks_of(found) == set()


@pytest.mark.parametrize(
    "found",
    [
        afterwards(reverting()),
        afterwards(reverting(), reverting()),
        afterwards(reverting(values={KEY: None}), edited={name: "Typed" for name in ROWS[3] if name != KEY}),
        afterwards(reverting(error="DUPLICATES_DETECTED")),
    ],
    ids=["put back", "put back twice", "somebody has typed the rest", "refused"],
)
def test_a_run_that_is_taken_back_where_nobody_else_wrote_has_no_findings(found: Evidence) -> None:
    assert checks_of(found) == set()


def test_a_row_that_an_active_rule_refused_as_well_is_decided_about() -> None:
    assert checks_of(by_rules("Off", "On")) == set()


def test_a_child_may_fail_for_want_of_a_parent_that_failed_and_a_twin_may_wait_for_one_that_stays_unknown() -> None:
    assert checks_of(KinRun.parent_failed(PARENT_NOT_SAVED)) == set()
    waits = KinRun.waits_for_twin(first=Action.UNKNOWN)
    assert 2 not in checks_of(waits)
    assert 2 in checks_of(replace(waits, disturbed=False))


def test_a_row_whose_key_is_held_in_the_recycle_bin_is_decided_about() -> None:
    found = unsaved(Action.SKIPPED, refused(6, "K-2", "DUPLICATE_VALUE", "load1/2"))
    assert checks_of(replace(found, scenario=KEPT_IN_BIN)) == set()


def test_a_record_of_which_the_audit_was_told_may_be_undeleted_by_the_policy_of_that_name() -> None:
    loads = {"load1": load(plan=UNDELETING, undeleted=frozenset({"00Q_held"}))}
    assert checks_of(replace(with_lines(UNDELETED), loads=loads)) == set()


def test_a_row_is_stale_once_a_newer_state_of_its_key_was_saved() -> None:
    found = ordered_run(newer="saved", stale_at=NOW + timedelta(minutes=2))
    assert (checks_of(found), found.excused) == (set(), {"older than a state that was saved": 1})


def among_strangers(matches: tuple[str, ...], behind: Action | None = None) -> Evidence:
    """Row 2 is unknown, a stranger wrote the records of its key; with ``behind``, so ends a row of it in load2."""
    entries = tuple(
        replace(each, action=Action.UNKNOWN, matches=tuple(MatchEntry(name, "Lead") for name in matches))
        if each.row_number == 2
        else each
        for each in ENTRIES
    )
    plan = replace(PLAN, name="load2", rows=({**ROWS[1], "Marker__c": "load2/1"},))
    waiting = () if behind is None else (Entry(1, behind, NOW, key="K-2", reason="key_in_flight"),)
    loads = {"load1": load(entries, complaints=("red",))}
    if waiting:
        loads["load2"] = LoadEvidence(plan, "id-2", waiting, 1, document(waiting), ("red",))
    return evidence(
        scenario=replace(SCENARIO, key_field=LOOSE),
        lines=[*UNSAVED, strangers(6, "created", "00Q_2", "K-2"), strangers(7, "created", "00Q_9", "K-2")],
        records={
            **RECORDS,
            **{each: {"Id": each, KEY: "K-2", "Marker__c": "stranger/1"} for each in ("00Q_2", "00Q_9")},
        },
        loads=loads,
        snapshots=(),
    )


NAMED = ("00Q_2", "00Q_9")


@pytest.mark.parametrize(("matches", "expected"), [(NAMED, set()), ((), {2})], ids=["named", "not named"])
def test_a_row_may_stay_unknown_among_records_of_a_stranger_that_it_names(
    matches: tuple[str, ...], expected: set[int]
) -> None:
    assert checks_of(among_strangers(matches)) == expected


@pytest.mark.parametrize("behind", [Action.NOT_SENT, Action.UNKNOWN])
@pytest.mark.parametrize(("matches", "expected"), [(NAMED, set()), ((), {2})], ids=["excused", "not excused"])
def test_a_row_may_stay_behind_another_loads_row_that_is_unknown_and_excused(
    matches: tuple[str, ...], expected: set[int], behind: Action
) -> None:
    assert checks_of(among_strangers(matches, behind)) == expected


@pytest.mark.parametrize(("saved_before", "expected"), [(True, set()), (False, {4})], ids=["a repeat", "no repeat"])
def test_what_goes_back_for_a_while_is_a_row_that_was_saved_before(saved_before: bool, expected: set[int]) -> None:
    first, last = line(2, "updated", "00Q_1", 1), line(3, "updated", "00Q_1", 3)
    begun = [line(1, "created", "00Q_1", 1)] if saved_before else []
    lines = [*begun, replace(last, seq=2), replace(first, seq=3), replace(last, seq=4)]
    found = [each for each in no_lost_update(evidence(lines=lines, disturbed=True, records={})) if "went over" in each]
    assert ({4} if found else set()) == expected


@pytest.mark.parametrize(
    ("on_repeat", "sent", "superseded"),
    [
        ("last", [2, 3, 4], {1}),
        ("first", [1, 2, 4], {3}),
        ("in_order", [1, 2, 3, 4], set()),
        ("merge_fields", [2, 3, 4], {1}),
    ],
)
def test_what_is_sent_of_a_source(on_repeat: str, sent: list[int], superseded: set[int]) -> None:
    expected = expected_of(replace(PLAN, on_repeat=on_repeat), KEY_FIELDS[0])
    assert sorted(expected.sent) == sent
    assert expected.superseded == superseded


def test_a_merged_row_has_the_fields_of_all() -> None:
    rows = (source_row(1, "K-1", City="Bonn"), source_row(2, "K-1", Title="Dr."))
    merged = expected_of(replace(PLAN, rows=rows, on_repeat="merge_fields"), KEY_FIELDS[0]).sent[2]
    assert merged.values == {**rows[0], **rows[1]}
