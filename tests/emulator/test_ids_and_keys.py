"""Ids are well formed and sort by age; blocking keys do not depend on what was asked before."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.records.match_index import Blocking, Column, MatchIndexes
from airflow_sf_dedup.emulator.records.store import make_id


@given(st.integers(0, 62**10 - 1))
def test_an_id_carries_its_checksum(number: int) -> None:
    record_id = make_id("00Q", number)
    assert (len(record_id), record_id[:5]) == (18, "00Q5g")
    assert to_18(record_id[:15]) == record_id


@pytest.mark.parametrize("start", [0, 60, 3842, 62**5 - 2])
def test_ids_sort_by_age(start: int) -> None:
    ids = [make_id("003", number) for number in range(start, start + 5)]
    assert all(one < other for one, other in pairwise(ids))


EMAIL, NAME, SCORE = Column("Email", "exact", False), Column("Name", "last_name", True), Column("Score", "exact", True)
VALUES = st.sampled_from([None, "Nowak", "NOWAK", "", 1, 1.0, True, "1"])


@given(st.lists(st.fixed_dictionaries({"Email": VALUES, "Name": VALUES, "Score": VALUES}), max_size=8))
def test_keys_are_the_same_alone_and_together(records: list[dict[str, Any]]) -> None:
    sets = [(EMAIL,), (EMAIL, NAME), (NAME, SCORE)]
    together = Blocking(sets)
    for record in records:
        assert together.keys(record) == tuple(key for each in sets for key in Blocking([each]).keys(record))


@given(st.lists(st.tuples(st.sampled_from("abc"), VALUES | st.just("gone"), VALUES), max_size=12))
def test_indexes_follow_the_records(puts: list[tuple[str, Any, Any]]) -> None:
    records: dict[str, dict[str, Any]] = {}
    indexes = MatchIndexes()
    kept = indexes.get((EMAIL, NAME), records)
    for record_id, email, name in puts:
        new = None if email == "gone" else {"Email": email, "Name": name}
        indexes.replace(record_id, records.pop(record_id, None), new)
        if new is not None:
            records[record_id] = new
    fresh = MatchIndexes().get((EMAIL, NAME), records)
    for [key] in (Blocking([(EMAIL, NAME)]).keys(each) for each in [*records.values(), {"Email": "Nowak"}]):
        if key is not None:
            assert set(kept.find(key)) == set(fresh.find(key))
