from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.ordering import order_of
from airflow_sf_dedup.core.records import Record, row_hash
from airflow_sf_dedup.core.repeats import ON_REPEAT, check_on_repeat, refuse_repeats, settle_repeats
from airflow_sf_dedup.errors import RepeatsRefusedError, SettingError


def record(row_number: int, **fields: Any) -> Record:
    return Record(row_number, "A-1", fields, row_hash(fields))


ROWS = [record(2, a=1, b=2), record(5, a=None), record(17, b=3, c=4)]


@pytest.mark.parametrize(
    ("on_repeat", "kept", "superseded"),
    [
        ("last", [17], {2: 17, 5: 17}),
        ("first", [2], {5: 2, 17: 2}),
        ("merge_fields", [17], {2: 17, 5: 17}),
        ("in_order", [2, 5, 17], {}),
        ("fail", [2, 5, 17], {}),
    ],
)
def test_each_policy_keeps_its_rows_and_says_what_superseded_the_others(
    on_repeat: str, kept: list[int], superseded: dict[int, int]
) -> None:
    settled = settle_repeats(ROWS, on_repeat)
    assert [row.row_number for row in settled.kept] == kept
    assert {row.record.row_number: row.by for row in settled.superseded} == superseded


def test_merge_fields_takes_later_values_and_null_is_one() -> None:
    (merged,) = settle_repeats(ROWS, "merge_fields").kept
    assert merged.fields == {"a": None, "b": 3, "c": 4}
    assert merged.row_hash == row_hash(merged.fields)


def test_in_order_numbers_the_waves() -> None:
    assert [row.wave for row in settle_repeats(ROWS, "in_order").kept] == [0, 1, 2]


@pytest.mark.parametrize(
    ("on_repeat", "kept", "superseded"),
    [
        ("last", [5], {2: 5, 9: 5, 17: 5}),
        ("first", [17], {2: 17, 5: 17, 9: 17}),
        ("merge_fields", [5], {2: 5, 9: 5, 17: 5}),
        ("in_order", [17, 2, 9, 5], {}),
    ],
)
def test_with_an_order_of_states_the_newest_is_the_last_wherever_it_stands(
    on_repeat: str, kept: list[int], superseded: dict[int, int]
) -> None:
    rows = [
        replace(record(number, a=number, **{f"b{number}": 1}), order=order_of(version))
        for number, version in ((2, 9), (5, 10), (9, 9), (17, 2))
    ]
    settled = settle_repeats(rows, on_repeat)
    assert [row.row_number for row in settled.kept] == kept
    assert [row.wave for row in settled.kept] == list(range(len(kept)))
    assert {row.record.row_number: row.by for row in settled.superseded} == superseded
    if on_repeat == "merge_fields":
        (merged,) = settled.kept
        assert merged.fields == {"a": 5, "b2": 1, "b5": 1, "b9": 1, "b17": 1}
        assert (merged.order, merged.row_hash) == (order_of(10), row_hash(merged.fields))


@pytest.mark.parametrize(("on_repeat", "kept"), [("last", 3), ("first", 1), ("merge_fields", 3)])
def test_of_rows_of_one_state_the_source_says_which_is_the_last(on_repeat: str, kept: int) -> None:
    rows = [replace(record(number), order=order_of("2026-01-02")) for number in (1, 2, 3)]
    assert [row.row_number for row in settle_repeats(rows, on_repeat).kept] == [kept]


@pytest.mark.parametrize("on_repeat", ["newest", "", None, ["last"]], ids=repr)
def test_an_unknown_policy_is_refused_with_the_known_ones(on_repeat: Any) -> None:
    with pytest.raises(SettingError, match="last, first, merge_fields, in_order, fail") as refused:
        check_on_repeat(on_repeat)
    assert refused.value.setting == "on_repeat"


def test_the_error_of_fail_counts_keys_and_names_rows() -> None:
    error = refuse_repeats(12, [[1, 9], list(range(2, 12))])
    assert isinstance(error, RepeatsRefusedError)
    assert "12 keys" in str(error)
    assert "1, 9; 2, 3, 4, 5, 6, …" in str(error)


@given(
    rows=st.lists(st.dictionaries(st.sampled_from("abc"), st.integers()), min_size=1, max_size=6),
    on_repeat=st.sampled_from(ON_REPEAT),
)
def test_every_row_is_kept_or_superseded_by_a_kept_one_exactly_once(rows: list[dict[str, int]], on_repeat: str) -> None:
    records = [record(number, **fields) for number, fields in enumerate(rows, start=1)]
    settled = settle_repeats(records, on_repeat)
    kept = [row.row_number for row in settled.kept]
    superseded = [row.record.row_number for row in settled.superseded]
    assert sorted(kept + superseded) == [row.row_number for row in records]
    assert {row.by for row in settled.superseded} <= set(kept)
    assert len(kept) == 1 or on_repeat in ("in_order", "fail")
