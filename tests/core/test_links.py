from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.links import Links

joins = st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=4), max_size=20)


@given(joins)
def test_groups_are_those_of_all_links_in_whatever_order(told: list[list[int]]) -> None:
    links, expected = Links(), {number: {number} for number in range(21)}
    for members in told:
        merged = set().union(*(expected[each] for each in members))
        assert links.size(members) == len(merged)
        links.join(members)
        expected.update(dict.fromkeys(merged, merged))
    for one in range(21):
        assert (one in links) == any(one in members for members in told)
        assert {other for other in range(21) if links.root(other) == links.root(one)} == expected[one]
