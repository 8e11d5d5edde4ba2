"""One grammar for objects, strings and YAML, and one error message."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.operators.rows import Rows
from airflow_sf_dedup.policies import (
    AskReviewer,
    ByConfidence,
    ByRule,
    BySobject,
    Chain,
    SaveAnyway,
    Skip,
    Undelete,
    UpdateExisting,
    read_policy,
)

STRICT = UpdateExisting(min_confidence=90) | AskReviewer()


@pytest.mark.parametrize(
    "spelling",
    [
        STRICT,
        "update_existing(min_confidence=90) | ask_reviewer",
        "  update_existing( min_confidence = 90 )|ask_reviewer() ",
        ["update_existing(min_confidence=90)", "ask_reviewer"],
        [{"update_existing": {"min_confidence": 90}}, "ask_reviewer"],
        {"update_existing": {"min_confidence": 90}, "ask_reviewer": None},
        (UpdateExisting(min_confidence=90), AskReviewer()),
        ["update_existing(min_confidence=90) | ask_reviewer"],
        Rows([{"update_existing": {"min_confidence": 90}}, "ask_reviewer"]),
    ],
    ids=["objects", "string", "blanks", "strings", "yaml list", "yaml mapping", "tuple", "nested", "from an XCom"],
)
def test_all_spellings_are_the_same(spelling: Any) -> None:
    assert read_policy(spelling) == STRICT


def test_one_policy_is_a_chain_of_one() -> None:
    assert read_policy(Skip()) == read_policy("skip") == Chain((Skip(),))


@pytest.mark.parametrize(
    "spelling",
    [
        "",
        [],
        None,
        5,
        b"skip",
        "nothing",
        "skip |",
        "skip & ask_reviewer",
        "skip(1)",
        "skip(reason='x')",
        "update_existing(min_confidence=ask)",
        "update_existing(fields={[]: 1})",
        "update_existing(**{1: 2})",
        "__import__('os').system('true')",
        {"update_existing": {1: 2}},
        {"update_existing": 90},
        {1: None},
        UpdateExisting,
        ["skip", None],
        "update_existing(min_confidence=900)",
    ],
    ids=str,
)
def test_what_cannot_be_read_is_refused_by_its_setting(spelling: Any) -> None:
    with pytest.raises(SettingError) as raised:
        read_policy(spelling)
    assert raised.value.setting == "on_duplicate"


def test_the_error_names_what_there_is() -> None:
    known = "ask_reviewer, by_confidence, by_rule, by_sobject, link, retry_stale_rule, save_anyway, skip, undelete"
    with pytest.raises(SettingError, match=known):
        read_policy("merge")


FIELDS = st.sampled_from(["all", "fill_blanks"]) | st.lists(st.text(min_size=1), min_size=1, max_size=3)
POLICIES = st.one_of(
    st.builds(Skip),
    st.builds(AskReviewer),
    st.builds(SaveAnyway),
    st.builds(SaveAnyway, rules=st.lists(st.from_regex("[A-Za-z]+", fullmatch=True), min_size=1, max_size=3)),
    st.builds(
        Undelete,
        deleted_within=st.sampled_from(["12h", "7d", "2w"]),
        deleted_by=st.sampled_from(["005000000000001", ("005000000000001AAA", "005000000000002AAA")]),
    ),
    st.builds(UpdateExisting, fields=FIELDS, min_confidence=st.integers(0, 100) | st.floats(0, 100)),
)


CHAINS = st.lists(POLICIES, min_size=1, max_size=3).map(lambda policies: Chain(tuple(policies)))
NAMES = st.from_regex("[A-Z][a-z]+", fullmatch=True)
COMBINATORS = st.one_of(
    st.builds(ByConfidence, st.dictionaries(st.integers(0, 100) | st.floats(0, 100), CHAINS, min_size=1, max_size=3)),
    st.builds(ByRule, st.dictionaries(NAMES, CHAINS, min_size=1, max_size=3)),
    st.builds(BySobject, st.dictionaries(NAMES, CHAINS, min_size=1, max_size=3)),
)


@given(st.lists(POLICIES | COMBINATORS, min_size=1, max_size=4))
def test_the_repr_of_a_chain_reads_back(policies: list[Any]) -> None:
    chain = Chain(tuple(policies))
    assert read_policy(repr(chain)) == chain
