"""A load in at most 4 kB, whatever it was, and without a field value."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_sf_dedup.audit.base import Load, Totals
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action, Entry, MatchEntry
from airflow_sf_dedup.journeys.summary import MOST_BYTES, reasons_of, shortened, summarise
from airflow_sf_dedup.testing.fake_org import lead_id
from tests.journeys.conftest import NOW


def entry(number: int, action: Action = Action.CREATED, **more: object) -> Entry:
    return Entry(number, action, NOW, key=f"key-{number}", partition=number % 2, **more)  # type: ignore[arg-type]


def test_the_document_counts_and_points_to_the_table(sql_audit: SqlAudit, new_load: Callable[..., Load]) -> None:
    load = new_load(api_calls=7)
    sql_audit.remember(load.load_id, [entry(1), entry(2), entry(3, Action.FAILED, error_code="STRING_TOO_LONG")])
    loaded = sql_audit.load(load.load_id)
    assert loaded is not None
    document = summarise(sql_audit, loaded, sql_audit.totals(loaded.load_id), audit_conn_id="audit_db")
    assert document["version"] == 1
    assert (document["rows"], document["actions"]) == (3, {"created": 2, "failed": 1})
    assert document["api_calls"] == 7
    assert document["reasons"] == [{"action": "failed", "code": "STRING_TOO_LONG", "reason": None, "rows": 1}]
    assert [sample["row"] for sample in document["sample"]] == [3]
    assert document["audit"] == {"audit_conn_id": "audit_db", "table": "sf_dedup_entry", "load_id": load.load_id}


def test_a_partition_counts_its_own_rows_and_calls(sql_audit: SqlAudit, new_load: Callable[..., Load]) -> None:
    load = new_load(api_calls=7)
    sql_audit.remember(load.load_id, [entry(number) for number in range(1, 6)])
    document = summarise(
        sql_audit, load, sql_audit.totals(load.load_id, 1), audit_conn_id=None, partition=1, api_calls=2
    )
    assert (document["rows"], document["api_calls"], document["partition"]) == (3, 2, 1)


def test_what_a_person_wants_to_see_is_sampled_from_every_action(
    sql_audit: SqlAudit, new_load: Callable[..., Load]
) -> None:
    load = new_load()
    actions = [Action.CREATED, Action.FAILED, Action.AWAITING_REVIEW, Action.SKIPPED]
    sql_audit.remember(load.load_id, [entry(n, actions[n % 4]) for n in range(1, 401)])
    sampled = [
        sample["action"]
        for sample in summarise(sql_audit, load, sql_audit.totals(load.load_id), audit_conn_id=None)["sample"]
    ]
    assert set(sampled) == {"failed", "awaiting_review", "skipped"}
    assert len(sampled) <= 10


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=255)
ENTRIES = st.builds(
    lambda action, key, code, reason, matches: (action, key, code, reason, matches),
    st.sampled_from(list(Action)),
    WORDS,
    st.none() | WORDS,
    st.none() | WORDS,
    st.integers(0, 5),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(ENTRIES, max_size=30), conn_id=WORDS)
def test_it_never_takes_more_than_4_kb(
    sql_audit: SqlAudit, new_load: Callable[..., Load], drawn: list[tuple[Action, str, str, str, int]], conn_id: str
) -> None:
    load = new_load()
    sql_audit.remember(
        load.load_id,
        [
            Entry(
                number,
                action,
                NOW,
                key=key,
                error_code=code,
                reason=reason,
                matches=tuple(MatchEntry(lead_id(i), "Lead", duplicate_rule="r" * 80) for i in range(matches)),
            )
            for number, (action, key, code, reason, matches) in enumerate(drawn, 1)
        ],
    )
    document = summarise(sql_audit, load, sql_audit.totals(load.load_id), audit_conn_id=conn_id)
    assert len(json.dumps(document)) <= MOST_BYTES
    assert document["rows"] == len(drawn) == sum(document["actions"].values())


def test_no_field_value_and_no_message_is_in_it(sql_audit: SqlAudit, new_load: Callable[..., Load]) -> None:
    load = new_load()
    sql_audit.remember(
        load.load_id,
        [
            Entry(
                1,
                Action.AWAITING_REVIEW,
                NOW,
                key="angela.example@example.com",
                error_message="the address angela@secret is taken",
                values={"Email": "angela@secret"},
                matches=(
                    MatchEntry(lead_id(1), "Lead", key="other-key", field_differences={"Email": ["x-in", "x-org"]}),
                ),
            )
        ],
    )
    text = json.dumps(summarise(sql_audit, load, sql_audit.totals(load.load_id), audit_conn_id=None))
    assert lead_id(1) in text
    for word in ("angela", "secret", "other-key", "x-in", "x-org"):
        assert word not in text


@pytest.mark.parametrize(
    ("key", "shown"), [(None, None), ("", ""), ("A-1", "…"), ("abcdefgh", "ab…gh"), ("a@b.c", "a@….c")]
)
def test_keys_are_shortened(key: str | None, shown: str | None) -> None:
    assert shortened(key) == shown


def test_the_commonest_reasons_come_first_and_ties_have_an_order() -> None:
    totals = Totals(
        {Action.FAILED: 9},
        {(Action.FAILED, "B", None): 2, (Action.FAILED, "C", None): 5, (Action.FAILED, "A", None): 2},
    )
    assert [reason["code"] for reason in reasons_of(totals)] == ["C", "A", "B"]
    assert [reason["code"] for reason in reasons_of(totals, 1)] == ["C"]
