"""Rows that may be twins, and rows and their parents: in one partition, in successive waves, each row once."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.twins import MOST_TWINS
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.journeys.partitioning.own_parents import OwnParents
from tests.journeys import test_partition
from tests.journeys.test_partition import KEY, NUMBER_KEY, Partitioned, account

EMAIL = Field("Email", "Email", "email", length=80)
PHONE = Field("Phone", "Phone", "phone", length=40)
PARENT = Field("Parent__c", "Parent", "reference", relationship_name="Parent__r", reference_to=("Lead",))
OWNER = Field("Who__c", "Who", "reference", relationship_name="Who__r", reference_to=("Account", "Lead"))
LEAD = SObject("Lead", (*test_partition.LEAD.fields, EMAIL, PHONE, PARENT, OWNER))


@pytest.fixture(autouse=True)
def _more_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_partition, "LEAD", LEAD)


def rows_of(*values: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"Key__c": f"K-{number}", **row} for number, row in enumerate(values, start=1)]


def mails(*addresses: str | None) -> list[dict[str, Any]]:
    return rows_of(*({"Email": each} for each in addresses))


def told(run: Partitioned) -> dict[int, tuple[int, int | None]]:
    """Row number to wave and twin group."""
    return {record.row_number: (record.wave, record.twin_group) for record in run.records}


def homes(run: Partitioned) -> dict[int, int]:
    return {record.row_number: partition for partition, part in run.partitions.items() for record in part}


# -- twins ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("partitions", [1, 64])
def test_twins_meet_in_one_partition_and_go_one_after_the_other(tmp_path: Path, partitions: int) -> None:
    source = mails("a@x.example", "b@x.example", " A@X.example", None, "", "a@x.EXAMPLE", "b@x.example")
    run = Partitioned(tmp_path, source, twin_fields=["email"], partitions=partitions)
    assert told(run) == {1: (0, 1), 2: (0, 2), 3: (1, 1), 4: (0, None), 5: (0, None), 6: (2, 1), 7: (1, 2)}
    home = homes(run)
    assert home[1] == home[3] == home[6]
    assert home[2] == home[7]
    for part in run.partitions.values():
        assert [record.wave for record in part] == sorted(record.wave for record in part)


def test_rows_that_agree_in_a_part_of_a_criterion_are_no_twins(tmp_path: Path) -> None:
    source = rows_of(
        {"LastName": "Weiß", "Phone": "030 1"},
        {"LastName": "WEISS", "Phone": "030 2"},
        {"LastName": "Weiss", "Phone": None},
        {"LastName": "weiss", "Phone": "(030) 2"},
    )
    run = Partitioned(tmp_path, source, twin_fields=["LastName", "Phone"])
    assert told(run) == {1: (0, None), 2: (0, 2), 3: (0, None), 4: (1, 2)}


def test_alternative_criteria_connect_rows_over_others(tmp_path: Path) -> None:
    source = rows_of(
        {"Email": "a@x.example", "Phone": "1"},
        {"Email": "b@x.example", "Phone": "2"},
        {"Email": "a@x.example", "Phone": "2"},
    )
    run = Partitioned(tmp_path, source, twin_fields=[["Email"], ["Phone"]], partitions=64)
    assert told(run) == {1: (0, 1), 2: (1, 1), 3: (2, 1)}
    assert len(run.refs) == 1


def test_values_of_two_criteria_are_not_compared_with_each_other(tmp_path: Path) -> None:
    source = rows_of({"LastName": "same", "Notes__c": "x"}, {"LastName": "y", "Notes__c": "same"})
    run = Partitioned(tmp_path, source, twin_fields=[["LastName"], ["Notes__c"]])
    assert set(told(run).values()) == {(0, None)}


def test_the_newest_goes_last_where_the_load_has_an_order(tmp_path: Path) -> None:
    days = ["2026-01-03", "2026-01-01", "2026-01-02"]
    source = rows_of(*({"Email": "a@x.example", "Born__c": day} for day in days))
    run = Partitioned(tmp_path, source, twin_fields=["Email"], newer_than="Born__c")
    assert told(run) == {2: (0, 2), 3: (1, 2), 1: (2, 2)}


@pytest.mark.parametrize(
    ("on_repeat", "expected"),
    [
        ("last", {2: (0, 2), 3: (1, 2)}),
        ("first", {1: (0, None), 2: (0, None)}),
        ("in_order", {1: (0, 1), 2: (1, 1), 3: (2, 1)}),
    ],
)
def test_repeats_are_settled_before_twins_are_looked_for(tmp_path: Path, on_repeat: str, expected: Any) -> None:
    source = [
        {"Key__c": "A", "Email": "a@x.example"},
        {"Key__c": "B", "Email": "b@x.example"},
        {"Key__c": "a", "Email": "b@x.example"},
    ]
    assert told(Partitioned(tmp_path, source, twin_fields=["Email"], on_repeat=on_repeat)) == expected


def test_twins_follow_the_first_of_them_whatever_group_by_says(tmp_path: Path) -> None:
    source = rows_of(
        {"AccountId": account(1), "Email": "a@x.example"},
        {"AccountId": account(1), "Email": "b@x.example"},
        *({"AccountId": account(2), "Email": "a@x.example"} for _ in range(3)),
        *({"AccountId": account(2), "Email": f"c{n}@x.example"} for n in range(3)),
    )
    run = Partitioned(tmp_path, source, twin_fields=["Email"], group_by="AccountId", partitions=64)
    home = homes(run)
    assert {home[n] for n in (1, 2, 3, 4, 5)} == {home[1]}
    assert {home[n] for n in (6, 7, 8)} == {home[6]} != {home[1]}


@pytest.mark.parametrize("keys", [MOST_TWINS, MOST_TWINS + 1])
def test_a_value_of_too_many_keys_makes_no_twins_and_the_log_says_so(tmp_path: Path, keys: int) -> None:
    said: list[str] = []
    source = mails(*(["info@x.example"] * keys), "a@x.example", "a@x.example")
    run = Partitioned(tmp_path, source, twin_fields=["Email"], on_kin=said.append, partitions=1)
    twins = {number for number, (_, group) in told(run).items() if group}
    pair = {keys + 1, keys + 2}
    if keys == MOST_TWINS:
        assert twins == set(range(1, keys + 3))
        assert not any("taken for no twins" in line for line in said)
    else:
        assert twins == pair
        assert f"({keys} rows)" in next(line for line in said if "taken for no twins" in line)
        assert run.audit.events[-1][1]["common_values"] == 1
    assert run.audit.events[-1][1]["twins"] == len(twins)


def test_groups_that_a_chain_of_values_would_join_stay_as_small_as_the_limit(tmp_path: Path) -> None:
    """Each row shares its address with the row before and its number with the row after."""
    source = rows_of(*({"Email": f"e{n // 2}@x.example", "Phone": f"{(n + 1) // 2}1"} for n in range(200)))
    run = Partitioned(tmp_path, source, twin_fields=[["Email"], ["Phone"]], partitions=1)
    groups: dict[int | None, int] = {}
    for _, group in told(run).values():
        groups[group] = groups.get(group, 0) + 1
    assert max(groups.values()) <= MOST_TWINS
    assert sum(groups.values()) == 200


@pytest.mark.parametrize(
    ("twin_fields", "says"),
    [
        (["Emial"], "'Emial' is no field of Lead"),
        (["Key__c"], "on_repeat"),
        (["Email", "LastNam~80"], "'LastNam' is no field of Lead"),
        (["Email", "LastName~80"], "has a column 'LastName'|no column 'LastName'"),
        (["LastName"], "has a column 'LastName'|no column 'LastName'"),
        ("Email", "expected a list"),
    ],
)
@pytest.mark.parametrize("is_file", [True, False])
def test_a_field_that_no_twin_can_have_is_refused(tmp_path: Path, twin_fields: Any, says: str, is_file: bool) -> None:
    source: Any = mails("a@x.example")
    if is_file:
        source = str(tmp_path / "leads.csv")
        Path(source).write_text("Key__c,Email\nK-1,a@x.example\n", encoding="utf-8")
    with pytest.raises(SettingError, match=f"twin_fields: .*({says})") as refused:
        Partitioned(tmp_path, source, twin_fields=twin_fields)
    assert refused.value.setting == "twin_fields"


def test_rows_that_agree_but_for_a_few_letters_are_twins_where_that_is_asked(tmp_path: Path) -> None:
    source = rows_of(
        {"Phone": "1", "LastName": "Katherine Ahlberg"},
        {"Phone": "2", "LastName": "Katherine Ahlberg"},
        {"Phone": "1", "LastName": "AHLBERG,  Catherine"},
        {"Phone": "1", "LastName": "Czerny"},
        {"Phone": "1", "LastName": ""},
        {"Phone": None, "LastName": "Katherine Ahlberg"},
        {"Phone": "1", "LastName": "Czerny"},
    )
    run = Partitioned(tmp_path, source, twin_fields=["Phone", " lastname~80"], partitions=64)
    groups = {number: group for number, (_, group) in told(run).items()}
    assert groups == {1: 1, 2: None, 3: 1, 4: 4, 5: None, 6: None, 7: 4}
    strict = Partitioned(tmp_path / "strict", source, twin_fields=["Phone", "LastName~99"])
    assert [group for _, group in told(strict).values()] == [None, None, None, 4, None, None, 4]


def test_likeness_goes_by_way_of_others_and_all_fields_of_a_criterion_count(tmp_path: Path) -> None:
    source = rows_of(
        {"Phone": "1", "LastName": "Meier", "Notes__c": "abcdefgh"},
        {"Phone": "1", "LastName": "Meyer", "Notes__c": "abcdefgx"},
        {"Phone": "1", "LastName": "Mayer", "Notes__c": "abcdefxx"},
        {"Phone": "1", "LastName": "Meier", "Notes__c": "zzzzzzzz"},
    )
    run = Partitioned(tmp_path, source, twin_fields=["Phone", "LastName~75", "Notes__c~80"])
    assert [group for _, group in told(run).values()] == [1, 1, 1, None]


@pytest.mark.parametrize(
    ("names", "values"),
    [
        pytest.param([f"aaaaaaaaaaaaaaaaaaaa{n}" for n in range(30)], 1, id="a group that would be too large"),
        pytest.param([f"{n:x}{n * 7919:08x}" for n in range(1, 1_200)], 1, id="too many to compare"),
    ],
)
def test_where_likeness_makes_no_group_rows_that_are_equal_stay_twins_and_the_log_says_so(
    tmp_path: Path, names: list[str], values: int
) -> None:
    source = rows_of(*({"Phone": "1", "LastName": name} for name in [*names, names[0]]))
    run = Partitioned(tmp_path, source, twin_fields=["Phone", "LastName~90"], partitions=1)
    assert {number for number, (_, group) in told(run).items() if group} == {1, len(source)}
    assert run.audit.events[-1][1]["common_values"] == values


def test_equal_rows_go_before_similar_ones_where_both_would_be_too_many(tmp_path: Path) -> None:
    equal = [{"Phone": "1", "LastName": f"{n}" * 9, "Email": "a@x.example"} for n in range(2)]
    source = rows_of(*equal, *({"Phone": "1", "LastName": "1" * 9 + "ab"[n % 2]} for n in range(MOST_TWINS - 1)))
    run = Partitioned(tmp_path, source, twin_fields=[["Email"], ["Phone", "LastName~80"]], partitions=1)
    assert told(run)[1][1] == told(run)[2][1] == 1


def test_likeness_without_rapidfuzz_is_refused_before_a_row_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rapidfuzz", None)
    with pytest.raises(SettingError, match=r"twin_fields: 'LastName~85' needs rapidfuzz: pip install .*\[fuzzy\]"):
        Partitioned(tmp_path, rows_of({"LastName": "x"}), twin_fields=["Email", "LastName~85"])
    assert Partitioned(tmp_path / "b", mails("a@x.example"), twin_fields=["Email"]).refs


def test_an_empty_source_has_no_twins(tmp_path: Path) -> None:
    assert Partitioned(tmp_path, [], twin_fields=["Email"]).refs == []


def test_the_rows_that_are_sent_together_are_told_wave_by_wave(tmp_path: Path) -> None:
    """The prediction counts a call for each."""
    sent: list[int] = []
    Partitioned(
        tmp_path, mails("a@x.example", "a@x.example", "b@x.example"), twin_fields=["Email"], on_staged=sent.extend,
        partitions=1,
    )  # fmt: skip
    assert sent == [2, 1]


# -- parents --------------------------------------------------------------------------------------


def parents(run: Partitioned) -> dict[int, tuple[int, tuple[int, ...]]]:
    return {record.row_number: (record.wave, record.kin.parents if record.kin else ()) for record in run.records}


@pytest.mark.parametrize("form", ["column", "mapping", "typed"])
@pytest.mark.parametrize("partitions", [1, 64])
def test_a_row_goes_after_the_row_that_it_names_as_its_parent(tmp_path: Path, form: str, partitions: int) -> None:
    def row(key: str, parent: str | None) -> dict[str, Any]:
        if form == "column":
            return {"Key__c": key, "Parent__r.Key__c": parent}
        if form == "typed":
            return {"Key__c": key, "Lead:Who__r.Key__c": parent}
        return {"Key__c": key, "Parent__r": {"Key__c": parent} if parent else None}

    source = [row("c", "B"), row("b", "a"), row("d", "a"), row("a", None), row("x", "elsewhere"), row("y", "elsewhere")]
    run = Partitioned(tmp_path, source, partitions=partitions)
    assert parents(run) == {1: (2, (2,)), 2: (1, (4,)), 3: (1, (4,)), 4: (0, ()), 5: (0, ()), 6: (0, ())}
    home = homes(run)
    assert len({home[n] for n in (1, 2, 3, 4)}) == 1
    if partitions > 1:
        assert home[5] != home[6]


@pytest.mark.parametrize("form", ["column", "mapping", "mixed"])
@pytest.mark.parametrize("partitions", [1, 64])
def test_a_parent_may_be_named_by_another_field_that_the_load_brings(
    tmp_path: Path, form: str, partitions: int
) -> None:
    def row(key: str, legacy: str | None, parent: str | None) -> dict[str, Any]:
        names: dict[str, Any] = {"Parent__r.Legacy_Id__c": parent}
        if form == "mapping":
            names = {"Parent__r": {"Legacy_Id__c": parent} if parent else None}
        if form == "mixed":
            names = {"Parent__r": {"Key__c": "A"} if parent == "l-1" else {"Legacy_Id__c": parent} if parent else None}
        return {"Key__c": key, "Legacy_Id__c": legacy, **names}

    source = [
        row("c", None, "l-2"),
        row("b", " l-2", "l-1"),
        row("a", "l-1", None),
        row("l-3", "x", "elsewhere"),
        row("y", "own", "own"),
        row("z", None, "l-3"),
    ]
    run = Partitioned(tmp_path, source, partitions=partitions)
    assert parents(run) == {1: (2, (2,)), 2: (1, (3,)), 3: (0, ()), 4: (0, ()), 5: (0, ()), 6: (0, ())}
    assert len({homes(run)[n] for n in (1, 2, 3)}) == 1


def test_a_parent_that_is_named_by_a_field_which_the_load_does_not_bring_is_of_another_load(tmp_path: Path) -> None:
    source = [{"Key__c": "b", "Parent__r.Legacy_Id__c": "a"}, {"Key__c": "a"}]
    assert [record.kin for record in Partitioned(tmp_path, source).records] == [None, None]


def test_a_parent_of_another_sobject_is_no_row_of_the_load(tmp_path: Path) -> None:
    source = [{"Key__c": "b", "Account:Who__r.Ext__c": "a"}, {"Key__c": "a"}]
    assert parents(Partitioned(tmp_path, source)) == {1: (0, ()), 2: (0, ())}


def test_rings_and_rows_that_are_their_own_parents_go_and_are_told(tmp_path: Path) -> None:
    said: list[str] = []
    source = [
        {"Key__c": "a", "Parent__r.Key__c": "b"},
        {"Key__c": "b", "Parent__r.Key__c": "a"},
        {"Key__c": "s", "Parent__r.Key__c": "s"},
    ]
    run = Partitioned(tmp_path, source, on_kin=said.append)
    assert parents(run) == {1: (0, (2,)), 2: (1, (1,)), 3: (0, ())}
    assert any("1 row in a ring of parents" in line for line in said)


@pytest.mark.parametrize(
    ("field", "value", "key"),
    [
        (KEY, {"Key__c": "A-1"}, "a-1"),
        (KEY, {"attributes": {"type": "Lead"}, "Key__c": "A-1"}, "a-1"),
        (KEY, {"attributes": {"type": "Account"}, "Key__c": "A-1"}, ""),
        (KEY, {"Legacy_Id__c": "A-1"}, ""),
        (KEY, None, ""),
        (NUMBER_KEY, {"No__c": 7}, "7"),
    ],
    ids=["a key", "of this sObject", "of another", "by another field", "none", "a number"],
)
def test_the_key_of_a_parent_is_compared_as_the_org_compares_keys(field: Field, value: Any, key: str) -> None:
    record = Record(1, "x", {"Parent__r": value}, "")
    assert OwnParents("Lead", KeyRule(field), (PARENT,)).keys(record) == ((key,) if key else ())


def test_a_load_without_kin_is_staged_as_ever(tmp_path: Path) -> None:
    plain = Partitioned(tmp_path / "a", mails("a@x.example", "a@x.example"))
    assert [record.kin for record in plain.records] == [None, None]
    assert not list((tmp_path / "a").rglob("by_kin"))


# -- any rows -------------------------------------------------------------------------------------

small = st.sampled_from(["A", "a", "ª", "B", "c", "d", "e"])
raw = st.lists(
    st.fixed_dictionaries(
        {"Key__c": small, "Email": st.sampled_from(["1@x.example", "2@x.example", None, " "])},
        optional={
            "Phone": st.sampled_from(["1", "2", "n/a"]),
            "Parent__r.Key__c": small,
            "Legacy_Id__c": small,
            "Lead:Who__r.Legacy_Id__c": small,
            "AccountId": st.sampled_from([account(1), account(2)]),
        },
    ),
    max_size=18,
)


@settings(max_examples=150, deadline=None)
@given(
    rows=raw,
    on_repeat=st.sampled_from(["last", "first", "in_order"]),
    partitions=st.sampled_from([1, 7, 64]),
    grouped=st.booleans(),
)
def test_whatever_the_rows_twins_and_families_meet_and_each_row_ends_once(
    rows: list[dict[str, Any]], on_repeat: str, partitions: int, grouped: bool
) -> None:
    carried = {name for row in rows for name in row}
    criteria = [[name] for name in ("Email", "Phone") if name in carried]
    criteria += [["Phone", "Email~90"]] if {"Email", "Phone"} <= carried else []
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(test_partition, "LEAD", LEAD)
        chosen = {"on_repeat": on_repeat, "partitions": partitions, "twin_fields": criteria or None}
        chosen["group_by"] = "AccountId" if grouped and "AccountId" in carried else None
        run, again = (Partitioned(Path(folder) / name, rows, **chosen) for name in "ab")
        test_partition.assert_conserved(run, len(rows))
        assert run.partitions == again.partitions
        _check(run.partitions)


def _check(partitions: dict[int, list[Record]]) -> None:
    rule, home, group = KeyRule(KEY), dict[str, int](), dict[str, int | None]()
    everything = [(partition, record) for partition, part in partitions.items() for record in part]
    for partition, record in everything:
        assert home.setdefault(rule.partition_fold(record.key), partition) == partition
    for partition, part in partitions.items():
        for record in part:
            assert group.setdefault(rule.fold(record.key), record.twin_group) == record.twin_group
        waves = [(record.wave, rule.fold(record.key)) for record in part]
        assert len(waves) == len(set(waves))
        _check_line(part)
        twins = [(record.wave, record.twin_group) for record in part if record.twin_group]
        assert len(twins) == len(set(twins))
        assert twins == sorted(twins, key=lambda each: each[0])
        del partition
    _check_alike(everything)


def _check_line(part: Sequence[Record]) -> None:
    """Each twin says which one goes right before it."""
    before: dict[int, int] = {}
    for record in part:
        if record.kin is not None and record.twin_group is not None:
            assert record.kin.twin_before == before.get(record.twin_group)
            before[record.twin_group] = record.row_number


def _check_alike(everything: Sequence[tuple[int, Record]]) -> None:
    """Rows of two keys that agree are in one group, which has its name from its first row."""
    rule = KeyRule(KEY)
    for _, one in everything:
        for _, other in everything:
            agree = any(
                (one.fields.get(name) or "").strip() and one.fields.get(name) == other.fields.get(name) != "n/a"
                for name in ("Email", "Phone")
            )
            if agree and rule.fold(one.key) != rule.fold(other.key):
                assert one.twin_group == other.twin_group is not None
    first: dict[int, tuple[int, int]] = {}
    for _, record in everything:
        if record.twin_group:
            place = (record.wave, record.row_number)
            first[record.twin_group] = min(first.get(record.twin_group, place), place)
    assert all(number == group for group, (_, number) in first.items())
