"""Rows pass through an operator unseen; settings do not."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.definitions._internal.templater import Templater

from airflow_sf_dedup.operators.rows import HidesRows, Rows, hidden

ROWS = [{"Email": "{{ secret }}"}, {"Email": "b"}]


class Operator(HidesRows, Templater):
    """Renders as Airflow's operators do."""

    template_fields = ()
    template_ext = ()

    def get_dag(self) -> None:
        return None


class XCom:
    """Resolves as an XComArg does."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def resolve(self, context: Any) -> Any:
        return self.value


def test_rows_show_only_how_many_they_are() -> None:
    assert (repr(Rows(ROWS)), str([Rows(ROWS)])) == ("<2 rows>", "[<2 rows>]")


def test_rows_are_a_sequence_like_any_other() -> None:
    rows = Rows(ROWS)
    assert (len(rows), rows[0], rows[1:], list(rows), bool(Rows([]))) == (2, ROWS[0], ROWS[1:], ROWS, False)


@pytest.mark.parametrize("value", [None, "s3://a.csv", b"x", {"a": 1}, 5], ids=str)
def test_what_is_no_list_is_left_as_it_is(value: Any) -> None:
    assert hidden(value) is value


@pytest.mark.parametrize("value", [ROWS, tuple(ROWS), range(3)], ids=["list", "tuple", "other sequence"])
def test_a_list_is_hidden_once(value: Any) -> None:
    rows = hidden(value)
    assert isinstance(rows, Rows)
    assert list(rows) == list(value)
    assert hidden(rows) is rows


def test_hidden_rows_are_not_rendered() -> None:
    rows = Rows(ROWS)
    assert Operator().render_template(rows, {"secret": "x"}) is rows


@pytest.mark.parametrize("value", [ROWS, tuple(ROWS), Rows(ROWS)], ids=["list", "tuple", "hidden already"])
def test_rows_from_an_xcom_are_hidden(value: Any) -> None:
    rendered = Operator().render_template(XCom(value), {})
    assert isinstance(rendered, Rows)
    assert list(rendered) == ROWS


def test_what_is_no_row_comes_from_an_xcom_as_it_is() -> None:
    assert Operator().render_template(XCom(["a.csv"]), {}) == ["a.csv"]
    assert Operator().render_template(XCom({"load_id": "x"}), {}) == {"load_id": "x"}


def test_a_policy_written_as_a_list_of_mappings_is_rendered_and_stays_a_list() -> None:
    policy = [{"update_existing": {"min_confidence": "{{ least }}"}}, "ask_reviewer"]
    rendered = Operator().render_template(policy, {"least": "90"})
    assert rendered == [{"update_existing": {"min_confidence": "90"}}, "ask_reviewer"]


def test_airflow_stores_no_value_of_a_row() -> None:
    from airflow.sdk.execution_time.task_runner import _serialize_template_field

    assert "secret" not in str(_serialize_template_field(Rows(ROWS), "records"))
