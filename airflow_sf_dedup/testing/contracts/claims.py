"""What every keeper of claims and of watermarks promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from airflow_sf_dedup.locks.base import (
    Claimant,
    Grant,
    Holder,
    KeyClaims,
    KeyScope,
    RecordClaim,
    RecordClaims,
    Standing,
    Watermark,
    Watermarks,
)

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

    def test_a_record_that_was_claimed_after_it_was_read_is_not_taken_over(
        self, claims: RecordClaims, org: str, clock: Clock
    ) -> None:
        read_at = clock.now
        clock.now += timedelta(seconds=30)
        claims.claim("load-1", org, [RecordClaim(LEAD, "a")])
        claims.release_load("load-1", org)
        clock.now += timedelta(seconds=30)
        assert claims.claim("load-2", org, [RecordClaim(LEAD, "b")], read_at=read_at) == {LEAD: "a"}
        assert claims.claim("load-2", org, [RecordClaim(LEAD, "b")], read_at=clock.now) == {LEAD: "b"}

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


#: Keys as careless sources have them.
ODD_KEYS = ["", " ", "a\x00b", "half \ud800 pair", "Zoë 東京 🙂 \u202e", "tab\tnew\nline\r\\N", "'\"{},", "x" * 100_000]


def a_scope() -> KeyScope:
    """A scope of its own org."""
    return KeyScope(uuid4().hex[:18], "Lead", "Source_Key__c")


def a_claimant(load_id: str = "") -> Claimant:
    """A process of its own, of that load or of a load of its own."""
    token = uuid4().hex
    return Claimant(token, load_id or f"load-{token}", f"leads.upsert[3] {token}")


class KeyClaimsContract:
    """Inherit, and answer :meth:`make_claims`; every test has an org and claimants of its own.

    One long class: claims that inherit it keep every promise, those to come among them.
    """

    LIFETIME = timedelta(minutes=10)

    def make_claims(self, *, lifetime: timedelta, clock: Callable[[], datetime]) -> KeyClaims:
        """Claims that expire after ``lifetime`` by this clock."""
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def claims(self, clock: Clock) -> KeyClaims:
        return self.make_claims(lifetime=self.LIFETIME, clock=clock)

    @pytest.fixture
    def scope(self) -> KeyScope:
        return a_scope()

    def test_free_keys_are_granted_without_doubt(self, claims: KeyClaims, scope: KeyScope) -> None:
        assert claims.claim(scope, a_claimant(), ["b", "a", "b"]) == Grant({"a": None, "b": None}, {})

    def test_no_keys_no_grants(self, claims: KeyClaims, scope: KeyScope) -> None:
        assert claims.claim(scope, a_claimant(), []) == Grant({}, {})

    def test_a_second_claimant_is_told_who_has_the_key(self, claims: KeyClaims, scope: KeyScope, clock: Clock) -> None:
        first = a_claimant()
        claims.claim(scope, first, ["a", "b"])
        holder = Holder(first.load_id, first.task, clock.now, clock.now + self.LIFETIME)
        clock.now += timedelta(minutes=1)
        grant = claims.claim(scope, a_claimant(), ["c", "b", "a"])
        assert grant == Grant({"c": None}, {"a": holder, "b": holder})

    def test_another_try_of_the_same_load_is_another_claimant(self, claims: KeyClaims, scope: KeyScope) -> None:
        first = a_claimant()
        claims.claim(scope, first, ["a"])
        grant = claims.claim(scope, a_claimant(first.load_id), ["a"])
        assert not grant.granted
        assert grant.refused["a"].task == first.task

    def test_a_released_key_is_free_and_carries_no_doubt(self, claims: KeyClaims, scope: KeyScope) -> None:
        first = a_claimant()
        second = a_claimant(first.load_id)
        claims.claim(scope, first, ["a", "b"])
        claims.release(scope, first, ["a", "never claimed"])
        grant = claims.claim(scope, second, ["a", "b"])
        assert grant.granted == {"a": None}
        assert grant.refused.keys() == {"b"}

    def test_a_claimant_releases_only_its_own(self, claims: KeyClaims, scope: KeyScope) -> None:
        first, second = a_claimant(), a_claimant()
        claims.claim(scope, first, ["a"])
        claims.release(scope, second, ["a"])
        claims.release(a_scope(), first, ["a"])
        claims.release(scope, first, [])
        assert claims.claim(scope, second, ["a"]).refused.keys() == {"a"}

    def test_a_claim_holds_until_it_expires(self, claims: KeyClaims, scope: KeyScope, clock: Clock) -> None:
        claims.claim(scope, a_claimant(), ["a"])
        clock.now += self.LIFETIME - timedelta(microseconds=1)
        assert claims.claim(scope, a_claimant(), ["a"]).refused.keys() == {"a"}
        clock.now += timedelta(microseconds=1)
        assert claims.claim(scope, a_claimant(), ["a"]) == Grant({"a": None}, {})

    def test_of_its_own_load_a_claimant_learns_since_when_the_key_may_have_been_sent(
        self, claims: KeyClaims, scope: KeyScope, clock: Clock
    ) -> None:
        first = a_claimant()
        begin = clock.now
        claims.claim(scope, first, ["a"])
        clock.now += timedelta(minutes=20)
        for _ in range(3):
            grant = claims.claim(scope, a_claimant(first.load_id), ["a", "b"])
            assert grant.granted["a"] == begin
            clock.now += timedelta(minutes=20)

    def test_the_doubt_of_another_load_is_not_ours(self, claims: KeyClaims, scope: KeyScope, clock: Clock) -> None:
        first = a_claimant()
        for claimant in (first, a_claimant(first.load_id), a_claimant()):
            grant = claims.claim(scope, claimant, ["a"])
            clock.now += self.LIFETIME
        assert grant.granted == {"a": None}

    def test_claiming_again_renews_and_forgets_nothing(self, claims: KeyClaims, scope: KeyScope, clock: Clock) -> None:
        first = a_claimant()
        begin = clock.now
        claims.claim(scope, first, ["a"])
        clock.now += self.LIFETIME
        second = a_claimant(first.load_id)
        for _ in range(3):
            assert claims.claim(scope, second, ["a"]).granted == {"a": begin}
            clock.now += timedelta(minutes=6)
        (holder,) = claims.claim(scope, a_claimant(), ["a"]).refused.values()
        assert holder == Holder(second.load_id, second.task, begin + self.LIFETIME, clock.now + timedelta(minutes=4))

    def test_a_key_that_is_left_is_nobodys_until_its_claim_expires(
        self, claims: KeyClaims, scope: KeyScope, clock: Clock
    ) -> None:
        first = a_claimant()
        claims.claim(scope, first, ["a", "b"])
        claims.leave(scope, first, ["a"])
        clock.now += timedelta(minutes=6)
        assert claims.renew(first) == 1
        for claimant in (first, a_claimant()):
            assert claims.claim(scope, claimant, ["a"]).refused["a"].task == first.task
        clock.now += timedelta(minutes=4)
        assert claims.claim(scope, a_claimant(first.load_id), ["a", "b"]).granted == {"a": None}

    def test_a_key_that_is_left_unknown_tells_its_own_load_since_when(
        self, claims: KeyClaims, scope: KeyScope, clock: Clock
    ) -> None:
        first, begin = a_claimant(), clock.now
        claims.claim(scope, first, ["a", "b"])
        claims.leave(scope, first, ["a"], unknown=True)
        clock.now += timedelta(minutes=6)
        assert claims.renew(first) == 1
        assert claims.claim(scope, a_claimant(first.load_id), ["a"]).refused["a"].task == first.task
        clock.now += timedelta(minutes=4)
        assert claims.claim(scope, a_claimant(first.load_id), ["a"]).granted == {"a": begin}

    def test_the_doubt_of_another_load_outlives_a_key_that_is_left(
        self, claims: KeyClaims, scope: KeyScope, clock: Clock
    ) -> None:
        dead, other, begin = a_claimant(), a_claimant(), clock.now
        claims.claim(scope, dead, ["a"])
        for _ in range(2):
            clock.now += self.LIFETIME
            assert claims.claim(scope, other, ["a"]).granted == {"a": None}
            claims.leave(scope, other, ["a"])
        clock.now += self.LIFETIME
        assert claims.claim(scope, other, ["a"]).granted == {"a": None}
        claims.release(scope, other, ["a"])
        assert claims.claim(scope, a_claimant(dead.load_id), ["a"]).granted == {"a": begin}

    def test_the_doubts_of_two_loads_outlive_each_other(self, claims: KeyClaims, scope: KeyScope, clock: Clock) -> None:
        begins: dict[str, datetime] = {}
        dead = [a_claimant(), a_claimant()]
        for claimant in (*dead, *dead):
            begins.setdefault(claimant.load_id, clock.now)
            claims.claim(scope, replace(claimant, token=uuid4().hex), ["a"])
            clock.now += self.LIFETIME
        for claimant in dead:
            again = a_claimant(claimant.load_id)
            assert claims.claim(scope, again, ["a"]).granted == {"a": begins[claimant.load_id]}
            claims.release(scope, again, ["a"])
        for claimant in dead:
            again = a_claimant(claimant.load_id)
            assert claims.claim(scope, again, ["a"]).granted == {"a": None}
            claims.release(scope, again, ["a"])

    def test_a_key_that_is_left_settled_carries_no_doubt_of_its_own_load(
        self, claims: KeyClaims, scope: KeyScope, clock: Clock
    ) -> None:
        dead = a_claimant()
        claims.claim(scope, dead, ["a"])
        clock.now += self.LIFETIME
        again = a_claimant(dead.load_id)
        claims.claim(scope, again, ["a"])
        claims.leave(scope, again, ["a"])
        clock.now += self.LIFETIME
        assert claims.claim(scope, a_claimant(dead.load_id), ["a"]).granted == {"a": None}

    def test_the_doubt_is_told_by_the_orgs_clock(self, claims: KeyClaims, scope: KeyScope, clock: Clock) -> None:
        dead = a_claimant()
        org_time = clock.now - timedelta(minutes=4)
        claims.claim(scope, dead, ["a"], org_time=org_time)
        clock.now += timedelta(minutes=20)
        grant = claims.claim(scope, a_claimant(dead.load_id), ["a"], org_time=org_time + timedelta(minutes=20))
        assert grant.granted == {"a": org_time}

    def test_the_doubt_outlives_another_load_that_has_the_key_in_between(
        self, claims: KeyClaims, scope: KeyScope, clock: Clock
    ) -> None:
        dead, other = a_claimant(), a_claimant()
        begin = clock.now
        claims.claim(scope, dead, ["a", "b"])
        clock.now += timedelta(minutes=20)
        assert claims.claim(scope, other, ["a", "b", "c"]).granted == {"a": None, "b": None, "c": None}
        claims.release(scope, other, ["a", "b", "c"])
        again = a_claimant(dead.load_id)
        assert claims.claim(scope, again, ["a", "b", "c"]).granted == {"a": begin, "b": begin, "c": None}
        claims.release(scope, again, ["a", "b"])
        assert claims.claim(scope, a_claimant(dead.load_id), ["a", "b"]).granted == {"a": None, "b": None}

    def test_the_doubt_begins_with_the_first_claim_and_not_with_its_renewal(
        self, claims: KeyClaims, scope: KeyScope, clock: Clock
    ) -> None:
        first = a_claimant()
        begin = clock.now
        for _ in range(3):
            claims.claim(scope, first, ["a"])
            claims.renew(first)
            clock.now += timedelta(minutes=6)
        clock.now += self.LIFETIME
        assert claims.claim(scope, a_claimant(first.load_id), ["a"]).granted == {"a": begin}

    def test_a_key_that_is_given_back_unsettled_stays_in_doubt(
        self, claims: KeyClaims, scope: KeyScope, clock: Clock
    ) -> None:
        dead, begin = a_claimant(), clock.now
        claims.claim(scope, dead, ["a"])
        clock.now += self.LIFETIME
        again = a_claimant(dead.load_id)
        claims.claim(scope, again, ["a", "b"])
        claims.release(scope, again, ["a", "b"], settled=False)
        other = a_claimant()
        assert claims.claim(scope, other, ["a", "b"]).granted == {"a": None, "b": None}
        claims.release(scope, other, ["a", "b"])
        assert claims.claim(scope, a_claimant(dead.load_id), ["a", "b"]).granted == {"a": begin, "b": None}

    def test_a_key_that_is_refused_may_be_in_doubt_all_the_same(
        self, claims: KeyClaims, scope: KeyScope, clock: Clock
    ) -> None:
        dead, begin = a_claimant(), clock.now
        claims.claim(scope, dead, ["a"])
        clock.now += self.LIFETIME
        claims.claim(scope, a_claimant(), ["a", "b"])
        grant = claims.claim(scope, a_claimant(dead.load_id), ["a", "b", "c"])
        assert (grant.granted, grant.doubted) == ({"c": None}, {"a": begin})
        assert grant.refused.keys() == {"a", "b"}

    def test_what_a_load_may_have_sent_is_told_without_a_claim(
        self, claims: KeyClaims, scope: KeyScope, clock: Clock
    ) -> None:
        dead, other = a_claimant(), a_claimant()
        claims.claim(scope, dead, ["a", "b"])
        again = a_claimant(dead.load_id)
        assert claims.doubted(scope, again, ["a", "b", "c"]) == {"a", "b"}
        assert claims.doubted(scope, dead, ["a", "b"]) == claims.doubted(scope, other, ["a"]) == frozenset()
        clock.now += self.LIFETIME
        claims.claim(scope, other, ["a"])
        assert claims.doubted(scope, again, ["a", "b", "c"]) == {"a", "b"}
        assert claims.doubted(scope, again, []) == frozenset()

    def test_what_a_claimant_has_is_told_to_any_process_with_its_token(
        self, claims: KeyClaims, scope: KeyScope, clock: Clock
    ) -> None:
        own, other = a_claimant(), a_claimant()
        claims.claim(scope, own, ["a", "b", "c"])
        claims.claim(scope, other, ["d"])
        claims.release(scope, own, ["b"])
        claims.leave(scope, own, ["c"], unknown=True)
        assert claims.held(scope, replace(own, task="a later process"), ["a", "b", "c", "d", "e"]) == {"a"}
        assert claims.held(scope, own, []) == frozenset()
        clock.now += self.LIFETIME
        claims.claim(scope, other, ["a"])
        assert claims.held(scope, own, ["a"]) == frozenset()

    def test_renewing_keeps_all_claims_of_a_claimant(self, claims: KeyClaims, scope: KeyScope, clock: Clock) -> None:
        first, second, elsewhere = a_claimant(), a_claimant(), a_scope()
        claims.claim(scope, first, ["a", "b"])
        claims.claim(elsewhere, first, ["a"])
        claims.claim(scope, second, ["c"])
        clock.now += timedelta(minutes=6)
        assert claims.renew(first) == 3
        clock.now += timedelta(minutes=6)
        for asked in (scope, elsewhere):
            assert "a" in claims.claim(asked, a_claimant(), ["a"]).refused
        assert claims.claim(scope, a_claimant(), ["c"]).granted.keys() == {"c"}

    def test_renewing_answers_what_is_left(self, claims: KeyClaims, scope: KeyScope, clock: Clock) -> None:
        first = a_claimant()
        assert claims.renew(first) == 0
        claims.claim(scope, first, ["a", "b", "c"])
        claims.release(scope, first, ["c"])
        clock.now += self.LIFETIME
        claims.claim(scope, a_claimant(), ["a"])
        assert claims.renew(first) == 1

    def test_scopes_do_not_meet(self, claims: KeyClaims, scope: KeyScope) -> None:
        claims.claim(scope, a_claimant(), ["a"])
        others = [a_scope(), replace(scope, sobject="Contact"), replace(scope, external_id_field="Other__c")]
        for other in others:
            assert claims.claim(other, a_claimant(), ["a"]).granted == {"a": None}

    def test_names_are_alike_in_any_case(self, claims: KeyClaims, scope: KeyScope) -> None:
        claims.claim(scope, a_claimant(), ["a"])
        same = KeyScope(scope.org_id, scope.sobject.upper(), scope.external_id_field.lower())
        assert claims.claim(same, a_claimant(), ["a"]).refused.keys() == {"a"}

    def test_keys_are_told_apart_by_every_character(self, claims: KeyClaims, scope: KeyScope) -> None:
        first = a_claimant()
        assert claims.claim(scope, first, ODD_KEYS).granted == dict.fromkeys(ODD_KEYS)
        claims.release(scope, first, ODD_KEYS[1:])
        grant = claims.claim(scope, a_claimant(), ODD_KEYS)
        assert grant.granted.keys() == set(ODD_KEYS[1:])
        assert grant.refused.keys() == set(ODD_KEYS[:1])

    def test_a_task_may_be_called_anything(self, claims: KeyClaims, scope: KeyScope) -> None:
        claims.claim(scope, replace(a_claimant(), task="a\x00b \ud800 🙂"), ["a"])
        assert claims.claim(scope, a_claimant(), ["a"]).refused["a"].task == "a␀b \\ud800 🙂"

    def test_thousands_of_keys_are_one_call(self, claims: KeyClaims, scope: KeyScope) -> None:
        keys = [f"key-{number}" for number in range(5000)]
        first = a_claimant()
        assert len(claims.claim(scope, first, keys[::2]).granted) == 2500
        grant = claims.claim(scope, a_claimant(), reversed(keys))
        assert grant.granted.keys() == set(keys[1::2])
        assert grant.refused.keys() == set(keys[::2])
        assert claims.renew(first) == 2500
        claims.release(scope, first, keys)
        assert claims.renew(first) == 0


def a_mark(order: str, raised_by: str = "load/1", since: datetime = datetime(2026, 3, 1, 6, tzinfo=UTC)) -> Watermark:
    """A watermark as a row announces it."""
    return Watermark(order, raised_by, since)


def confirmed(watermarks: Watermarks, scope: KeyScope, *keys: str) -> dict[str, str | None]:
    """Key to the order that is confirmed of it."""
    return {key: standing.confirmed for key, standing in watermarks.standing(scope, keys).items()}


def provisional(watermarks: Watermarks, scope: KeyScope, key: str) -> list[str]:
    """Who has announced states of the key that nobody has settled, sorted."""
    standing = watermarks.standing(scope, [key]).get(key, Standing())
    return sorted(mark.raised_by for mark in standing.provisional)


class WatermarksContract:
    """Inherit, and answer :meth:`make_watermarks`; every test has an org of its own."""

    EARLY = "t:2026-11-23T09:59:59.999999Z"
    LATE = "t:2026-11-23T10:00:00.000000Z"

    def make_watermarks(self) -> Watermarks:
        """Watermarks whose tables are ready."""
        raise NotImplementedError

    @pytest.fixture
    def watermarks(self) -> Watermarks:
        return self.make_watermarks()

    @pytest.fixture
    def scope(self) -> KeyScope:
        return a_scope()

    def test_a_key_of_which_nothing_was_sent_has_none(self, watermarks: Watermarks, scope: KeyScope) -> None:
        for change in (watermarks.announce, watermarks.confirm, watermarks.take_back):
            change(scope, {})
        assert watermarks.standing(scope, ["a"]) == {}
        assert watermarks.standing(scope, []) == {}

    def test_what_was_announced_is_provisional(self, watermarks: Watermarks, scope: KeyScope) -> None:
        marks = {"b": a_mark(self.EARLY, "load/7"), "a": a_mark("n:0000017"), "not asked": a_mark(self.LATE)}
        watermarks.announce(scope, marks)
        assert watermarks.standing(scope, ["a", "b", "c", "a"]) == {
            "a": Standing(None, (marks["a"],)),
            "b": Standing(None, (marks["b"],)),
        }

    def test_each_row_announces_for_itself(self, watermarks: Watermarks, scope: KeyScope) -> None:
        for row, order in (("load/2", self.LATE), ("load/1", self.EARLY), ("load/3", self.EARLY)):
            watermarks.announce(scope, {"a": a_mark(order, row)})
        assert provisional(watermarks, scope, "a") == ["load/1", "load/2", "load/3"]

    def test_a_row_that_announces_again_may_have_been_sent_since_the_first_time(
        self, watermarks: Watermarks, scope: KeyScope
    ) -> None:
        first = a_mark(self.LATE)
        watermarks.announce(scope, {"a": first})
        watermarks.announce(scope, {"a": replace(first, since=first.since + timedelta(hours=1))})
        assert watermarks.standing(scope, ["a"]) == {"a": Standing(None, (first,))}

    @pytest.mark.parametrize("calls", [[0, 1], [1, 0], [1, 1]], ids=["raised", "not lowered", "the same"])
    def test_what_is_confirmed_is_never_lowered(
        self, watermarks: Watermarks, scope: KeyScope, calls: list[int]
    ) -> None:
        for call in calls:
            marks = {"a": a_mark((self.EARLY, self.LATE)[call]), "b": a_mark(self.EARLY)}
            watermarks.confirm(scope, marks)
        assert confirmed(watermarks, scope, "a", "b") == {"a": self.LATE, "b": self.EARLY}

    def test_a_confirmed_state_settles_what_is_not_newer_and_nothing_else(
        self, watermarks: Watermarks, scope: KeyScope
    ) -> None:
        marks = [a_mark(order, f"load/{order}") for order in ("n:1", "n:2", "n:3", "t:9")]
        for mark in marks:
            watermarks.announce(scope, {"a": mark, "b": mark})
        watermarks.confirm(scope, {"a": marks[1]})
        assert watermarks.standing(scope, ["a"])["a"].confirmed == "n:2"
        assert provisional(watermarks, scope, "a") == ["load/n:3", "load/t:9"]
        assert len(provisional(watermarks, scope, "b")) == 4

    def test_what_was_not_written_is_taken_back_and_what_others_announced_stays(
        self, watermarks: Watermarks, scope: KeyScope
    ) -> None:
        watermarks.confirm(scope, {"a": a_mark("n:1")})
        for row in ("load/2", "load/3"):
            watermarks.announce(scope, {key: a_mark("n:2", row) for key in ("a", "b")})
        watermarks.take_back(scope, {"a": a_mark("n:2", "load/2"), "c": a_mark("n:2", "load/2")})
        assert confirmed(watermarks, scope, "a", "b", "c") == {"a": "n:1", "b": None}
        assert provisional(watermarks, scope, "a") == ["load/3"]
        assert provisional(watermarks, scope, "b") == ["load/2", "load/3"]

    def test_what_is_taken_back_twice_or_never_announced_changes_nothing(
        self, watermarks: Watermarks, scope: KeyScope
    ) -> None:
        watermarks.confirm(scope, {"a": a_mark("n:5", "load/5")})
        for _ in range(2):
            watermarks.take_back(scope, {"a": a_mark("n:5", "load/5")})
        assert confirmed(watermarks, scope, "a") == {"a": "n:5"}

    @pytest.mark.parametrize(
        ("older", "newer"),
        [
            ("n:09", "n:10"),
            ("n:10", "n:10.5"),
            ("n:10.15", "n:10.2"),
            ("n:1.0", "n:10"),
            ("t:2026-11-23T10:00:00.000000Z", "t:2026-11-23T10:00:00.000001Z"),
            ("x:A", "x:a"),
            ("x:B", "x:a"),
            ("x:a-b", "x:ab"),
        ],
    )
    def test_orders_of_a_kind_compare_as_python_compares_them(
        self, watermarks: Watermarks, scope: KeyScope, older: str, newer: str
    ) -> None:
        assert older < newer
        for order in (older, newer, older):
            watermarks.confirm(scope, {"a": a_mark(order)})
        assert confirmed(watermarks, scope, "a") == {"a": newer}

    def test_another_kind_replaces(self, watermarks: Watermarks, scope: KeyScope) -> None:
        for order in (self.LATE, "n:0000017", self.EARLY):
            watermarks.confirm(scope, {"a": a_mark(order)})
            assert confirmed(watermarks, scope, "a") == {"a": order}

    def test_scopes_do_not_meet_and_names_are_alike_in_any_case(self, watermarks: Watermarks, scope: KeyScope) -> None:
        watermarks.confirm(scope, {"a": a_mark(self.LATE)})
        for other in (a_scope(), replace(scope, sobject="Contact"), replace(scope, external_id_field="Other__c")):
            assert confirmed(watermarks, other, "a") == {}
        assert confirmed(watermarks, replace(scope, sobject="LEAD"), "a") == {"a": self.LATE}

    def test_thousands_of_odd_keys(self, watermarks: Watermarks, scope: KeyScope) -> None:
        marks = dict.fromkeys([*ODD_KEYS, *(f"key-{number}" for number in range(5000))], a_mark(self.LATE))
        watermarks.announce(scope, marks)
        assert watermarks.standing(scope, marks) == {key: Standing(None, (mark,)) for key, mark in marks.items()}
        watermarks.confirm(scope, marks)
        assert watermarks.standing(scope, marks) == dict.fromkeys(marks, Standing(self.LATE))
