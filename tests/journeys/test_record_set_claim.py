"""One task at a time makes duplicate record sets in an org."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, delete

from airflow_sf_dedup.database import tables
from airflow_sf_dedup.errors import OutcomeUnknownError, TransientCallError
from airflow_sf_dedup.journeys.record_set_claim import SetClaim
from airflow_sf_dedup.journeys.record_sets import SetsMade
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims

ORG, OTHER_ORG = "00D5g0000000001EAA", "00D5g0000000002EAA"


@pytest.fixture(autouse=True)
def nobodys_claims(engine: Engine) -> Iterator[None]:
    """A claim that is left to end by itself ends with its test."""
    yield
    with engine.begin() as connection:
        connection.execute(delete(tables.key_claim).where(tables.key_claim.c.sobject == "duplicaterecordset"))


@pytest.fixture
def claim(engine: Engine) -> Callable[..., SetClaim]:
    def make(task: str, *, org: str = ORG, lifetime: timedelta = timedelta(minutes=12)) -> SetClaim:
        return SetClaim(SqlKeyClaims(engine, lifetime), org, f"load of {task}", task)

    return make


def refused(claim: SetClaim) -> TransientCallError:
    with pytest.raises(TransientCallError) as error, claim.held(SetsMade()):
        pass
    return error.value


def test_of_two_tasks_one_is_told_who_is_at_it_and_until_when(claim: Callable[..., SetClaim]) -> None:
    with claim("one").held(SetsMade()):
        error = refused(claim("two"))
        with claim("elsewhere", org=OTHER_ORG).held(SetsMade()):
            pass
    assert "being made by one (its claim holds until" in str(error)
    assert error.retry_after is not None
    assert 0 < error.retry_after <= 12 * 60
    with claim("two").held(SetsMade()):
        pass


@pytest.mark.parametrize("in_doubt", [False, True])
def test_a_task_that_fails_lets_others_on_unless_a_call_may_be_under_way(
    claim: Callable[..., SetClaim], in_doubt: bool
) -> None:
    error = OutcomeUnknownError("lost") if in_doubt else TransientCallError("refused")
    with pytest.raises(TransientCallError, match=str(error)), claim("one").held(SetsMade()):
        raise error
    if in_doubt:
        assert "being made by one" in str(refused(claim("one")))
    else:
        with claim("two").held(SetsMade()):
            pass


def test_a_row_without_an_answer_is_in_doubt_too(claim: Callable[..., SetClaim]) -> None:
    with claim("one").held(SetsMade(in_doubt=True)):
        pass
    refused(claim("two"))


def test_a_claim_that_was_taken_over_makes_no_further_call(engine: Engine, claim: Callable[..., SetClaim]) -> None:
    ours = claim("one")
    ours.keep()
    with ours.held(SetsMade()):
        ours.keep()
        with engine.begin() as connection:
            connection.execute(delete(tables.key_claim))
        with claim("two").held(SetsMade()), pytest.raises(TransientCallError, match="by another task by now"):
            ours.keep()
