"""Which task instances did not succeed: one by one where they are few, as a number where they are many."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.operators.instance_states import not_done


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({"partition": "success", "upsert_0": "skipped"}, []),
        ({"partition": "failed", "upsert": "upstream_failed"}, ["partition is failed", "upsert is upstream_failed"]),
        ({"upsert": None}, ["upsert is not run"]),
        ({"upsert_10": "failed", "upsert_2": "failed"}, ["upsert[2] is failed", "upsert[10] is failed"]),
        ({"upsert_2": "failed", "upsert_3": None}, ["upsert[2] is failed", "upsert[3] is not run"]),
        ({"a_1": "failed"}, ["a_1 is failed"]),
    ],
    ids=["all well", "not mapped", "not run", "by number", "by state", "a name that ends with a number"],
)
def test_a_few_are_named(states: dict[str, Any], expected: list[str]) -> None:
    assert not_done(states, {"partition", "upsert", "a", "a_1"}) == [f"task {said}" for said in expected]


def test_of_a_thousand_one_is_named() -> None:
    states = {f"upsert_{number}": "failed" if number else "success" for number in range(1024)}
    assert not_done(states, {"upsert"}) == ["1,023 instances of task upsert are failed, such as upsert[1]"]
