from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.waves import Waiting, in_waves


@pytest.mark.parametrize(
    ("rows", "waves"),
    [
        pytest.param([], [], id="no row"),
        pytest.param([Waiting("a"), Waiting("b")], [0, 0], id="nothing to wait for"),
        pytest.param([Waiting("a"), Waiting("b"), Waiting("a")], [0, 0, 1], id="a key repeats"),
        pytest.param([Waiting("c", ("b",)), Waiting("b", ("a",)), Waiting("a")], [2, 1, 0], id="children first"),
        pytest.param([Waiting("b", ("a",)), Waiting("a"), Waiting("a")], [1, 0, 1], id="after a parent's first row"),
        pytest.param([Waiting("a", ("elsewhere",))], [0], id="a parent of another load"),
        pytest.param([Waiting("a", ("a",))], [0], id="its own parent"),
        pytest.param([Waiting("a", twins=1), Waiting("b", twins=2), Waiting("c", twins=1)], [0, 0, 1], id="twins"),
        pytest.param([Waiting("a", ("b",), 1), Waiting("b", (), 1)], [1, 0], id="a twin that is the parent"),
        pytest.param(
            [Waiting("a", twins=1), Waiting("a", twins=1), Waiting("b", twins=1)], [0, 1, 2], id="a twin in order"
        ),
        pytest.param([Waiting("b", ("x",)), Waiting("a", names=("x",))], [1, 0], id="a parent by another name"),
        pytest.param([Waiting("b", ("x",), names=("x",))], [0], id="its own parent by another name"),
        pytest.param(
            [Waiting("b", ("x",)), Waiting("a"), Waiting("a", names=("x",))], [1, 0, 1], id="a name of a later row"
        ),
        pytest.param([Waiting("d", ("b", "c")), Waiting("b"), Waiting("c", ("b",))], [2, 0, 1], id="two parents"),
    ],
)
def test_a_row_goes_after_what_it_waits_for(rows: list[Waiting], waves: list[int]) -> None:
    assert in_waves(rows).wave == waves


def test_of_a_ring_the_first_goes_first_and_the_others_follow_it() -> None:
    rows = [Waiting("child", ("b",)), Waiting("a", ("c",)), Waiting("b", ("a",)), Waiting("c", ("b",))]
    waves = in_waves(rows)
    assert waves.wave == [2, 0, 1, 2]
    assert waves.in_a_ring == [1]
    assert waves.parents == [(2,), (3,), (1,), (2,)]


def test_a_chain_of_many_generations_is_no_matter_of_depth() -> None:
    rows = [Waiting(str(n), (str(n + 1),)) for n in range(20_000)]
    assert in_waves(rows).wave == list(reversed(range(20_000)))


keys = st.sampled_from("abcdefg")
rows_of_a_load = st.lists(
    st.builds(Waiting, keys, st.lists(keys, max_size=2).map(tuple), st.none() | st.integers(1, 3)), max_size=14
)


@given(rows_of_a_load)
def test_whatever_the_rows_all_promises_hold(rows: list[Waiting]) -> None:
    decided = in_waves(rows)
    assert len(decided.wave) == len(rows)
    for index, row in enumerate(rows):
        for other in range(index):
            if rows[other].key == row.key:
                assert decided.wave[other] < decided.wave[index]
            elif row.twins is not None and rows[other].twins == row.twins:
                assert decided.wave[other] != decided.wave[index]
        if index not in decided.in_a_ring:
            assert all(decided.wave[parent] < decided.wave[index] for parent in decided.parents[index])
    used = set(decided.wave)
    assert used == set(range(len(used)))
