"""What every keeper of record claims promises."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from airflow_sf_dedup.locks.base import RecordClaim, RecordClaims

# ruff: noqa: S101

LEAD = "00Q000000000001EAA"
OTHER = "00Q000000000002EAA"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 6, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class ClaimsContract:
    """Inherit, and answer :meth:`make_claims`; every test has an org of its own."""

    def make_claims(self, *, lifetime: timedelta, clock: Callable[[], datetime]) -> RecordClaims:
        """Claims that expire after ``lifetime`` by this clock."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def claims(self, clock: Clock) -> RecordClaims:
        return self.make_claims(lifetime=timedelta(minutes=10), clock=clock)

    @pytest.fixture
    def org(self) -> str:
        return uuid4().hex[:18]

    def test_a_free_record_is_granted(self, claims: RecordClaims, org: str) -> None:
        wishes = [RecordClaim(OTHER, "b"), RecordClaim(LEAD, "a")]
        assert claims.claim("load-1", org, wishes) == {LEAD: "a", OTHER: "b"}

    def test_a_load_knows_what_it_has_claimed(self, claims: RecordClaims, org: str) -> None:
        claims.claim("load-1", org, [RecordClaim(OTHER, "b"), RecordClaim(LEAD, "a")])
        claims.release("load-1", org, [OTHER])
        assert claims.claimed("load-1", org) == {LEAD: "a"}
        assert claims.claimed("load-2", org) == {}

    def test_no_wishes_no_grants(self, claims: RecordClaims, org: str) -> None:
        assert claims.claim("load-1", org, []) == {}

    @pytest.mark.parametrize("load_id", ["load-1", "load-2"])
    def test_a_second_key_is_told_who_holds_the_record(self, claims: RecordClaims, org: str, load_id: str) -> None:
        claims.claim("load-1", org, [RecordClaim(LEAD, "a")])
        assert claims.claim(load_id, org, [RecordClaim(LEAD, "b")]) == {LEAD: "a"}

    def test_of_two_keys_in_one_call_the_first_is_granted(self, claims: RecordClaims, org: str) -> None:
        assert claims.claim("load-1", org, [RecordClaim(LEAD, "b"), RecordClaim(LEAD, "a")]) == {LEAD: "b"}

    @pytest.mark.parametrize("load_id", ["load-1", "load-2"])
    def test_the_same_key_is_granted_again(self, claims: RecordClaims, org: str, load_id: str) -> None:
        claims.claim("load-1", org, [RecordClaim(LEAD, "a")])
        assert claims.claim(load_id, org, [RecordClaim(LEAD, "a")]) == {LEAD: "a"}

    def test_what_another_load_left_behind_is_taken_over_once_it_expired(
        self, claims: RecordClaims, org: str, clock: Clock
    ) -> None:
        claims.claim("load-1", org, [RecordClaim(LEAD, "a")])
        clock.now += timedelta(minutes=9)
        assert claims.claim("load-2", org, [RecordClaim(LEAD, "b")]) == {LEAD: "a"}
        clock.now += timedelta(minutes=1)
        assert claims.claim("load-2", org, [RecordClaim(LEAD, "b")]) == {LEAD: "b"}

    def test_one_load_never_gives_a_record_to_two_keys(self, claims: RecordClaims, org: str, clock: Clock) -> None:
        claims.claim("load-1", org, [RecordClaim(LEAD, "a")])
        clock.now += timedelta(days=1)
        assert claims.claim("load-1", org, [RecordClaim(LEAD, "b")]) == {LEAD: "a"}

    def test_claiming_again_renews(self, claims: RecordClaims, org: str, clock: Clock) -> None:
        for _ in range(3):
            claims.claim("load-1", org, [RecordClaim(LEAD, "a")])
            clock.now += timedelta(minutes=6)
        assert claims.claim("load-2", org, [RecordClaim(LEAD, "b")]) == {LEAD: "a"}

    def test_a_released_record_is_free(self, claims: RecordClaims, org: str) -> None:
        claims.claim("load-1", org, [RecordClaim(LEAD, "a"), RecordClaim(OTHER, "a2")])
        claims.release("load-1", org, [LEAD])
        wishes = [RecordClaim(LEAD, "b"), RecordClaim(OTHER, "b")]
        assert claims.claim("load-2", org, wishes) == {LEAD: "b", OTHER: "a2"}

    def test_a_load_releases_only_its_own(self, claims: RecordClaims, org: str) -> None:
        claims.claim("load-1", org, [RecordClaim(LEAD, "a")])
        claims.release("load-2", org, [LEAD])
        claims.release("load-1", f"{org}x", [LEAD])
        assert claims.claim("load-2", org, [RecordClaim(LEAD, "b")]) == {LEAD: "a"}

    def test_a_load_that_is_over_leaves_no_claims(self, claims: RecordClaims, org: str) -> None:
        claims.claim("load-1", org, [RecordClaim(LEAD, "a"), RecordClaim(OTHER, "a2")])
        claims.release_load("load-1", org)
        wishes = [RecordClaim(LEAD, "b"), RecordClaim(OTHER, "b2")]
        assert claims.claim("load-2", org, wishes) == {LEAD: "b", OTHER: "b2"}

    def test_releasing_a_load_leaves_other_loads_and_orgs_alone(self, claims: RecordClaims, org: str) -> None:
        other_org = f"{org}x"
        claims.claim("load-1", org, [RecordClaim(LEAD, "a")])
        claims.claim("load-2", org, [RecordClaim(OTHER, "a2")])
        claims.claim("load-2", other_org, [RecordClaim(LEAD, "a")])
        claims.release_load("load-2", org)
        claims.release_load("load-3", org)
        wishes = [RecordClaim(LEAD, "b"), RecordClaim(OTHER, "b")]
        assert claims.claim("load-4", org, wishes) == {LEAD: "a", OTHER: "b"}
        assert claims.claim("load-4", other_org, [RecordClaim(LEAD, "b")]) == {LEAD: "a"}

    def test_orgs_do_not_meet(self, claims: RecordClaims, org: str) -> None:
        claims.claim("load-1", org, [RecordClaim(LEAD, "a")])
        assert claims.claim("load-1", f"{org}x", [RecordClaim(LEAD, "b")]) == {LEAD: "b"}
