"""A task sends no row whose key somebody else has in flight, and gives keys back when rows are settled."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from airflow_sf_dedup.errors import CallError, SettingError
from airflow_sf_dedup.journeys.sending.claiming import HeldKeys
from airflow_sf_dedup.locks.base import Claimant, Grant, Holder, KeyScope
from airflow_sf_dedup.testing.fake_org import KEY, KEY_RULE, ORG_ID, row
from tests.journeys.rows_under_way import clear

MOMENT = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
SCOPE = KeyScope(ORG_ID, "Lead", KEY)
ME = Claimant("token", "load", "leads.upsert, run manual, try 1")
OTHER = Holder("another-load", "leads.upsert[3], run manual, try 1", MOMENT, MOMENT)


class FakeClaims:
    """Claims in memory, of one other holder and of one claimant."""

    lifetime = timedelta(seconds=600)

    def __init__(self, elsewhere: Iterable[str] = (), left_behind: Iterable[str] = ()) -> None:
        self.elsewhere, self.left_behind = set(elsewhere), set(left_behind)
        self.mine: set[str] = set()
        self.left: set[str] = set()
        self.kept_in_doubt: set[str] = set()
        self.asked: list[list[str]] = []
        self.renewals = 0
        self.lost = 0

    def claim(
        self, scope: KeyScope, claimant: Claimant, keys: Iterable[str], *, org_time: datetime | None = None
    ) -> Grant:
        assert (scope, claimant) == (SCOPE, ME)
        wanted = list(keys)
        self.asked.append(wanted)
        granted = {key: MOMENT if key in self.left_behind else None for key in wanted if key not in self.elsewhere}
        self.mine |= granted.keys()
        return Grant(granted, {key: OTHER for key in wanted if key in self.elsewhere})

    def renew(self, claimant: Claimant) -> int:
        self.renewals += 1
        return len(self.mine) - self.lost

    def release(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str], *, settled: bool = True) -> None:
        self.mine -= set(keys)
        if not settled:
            self.kept_in_doubt |= set(keys)

    def doubted(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str]) -> frozenset[str]:
        return frozenset(keys) & self.left_behind

    def held(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str]) -> frozenset[str]:
        return frozenset(keys) & self.mine

    def leave(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str], *, unknown: bool = False) -> None:
        self.left |= set(keys)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def held(claims: FakeClaims, **settings: object) -> HeldKeys:
    return HeldKeys(claims, SCOPE, ME, KEY_RULE.partition_fold, **settings)  # type: ignore[arg-type]


def test_claims_whose_lifetime_is_unusable_are_refused_before_a_row_is_sent() -> None:
    class Unusable(FakeClaims):
        @property
        def lifetime(self) -> timedelta:  # type: ignore[override]
            raise SettingError("[sf_dedup] claim_lifetime=nan: expected a number of seconds")

    with pytest.raises(SettingError, match="claim_lifetime"):
        held(Unusable())


def test_rows_whose_key_is_elsewhere_are_put_off_with_its_holder() -> None:
    claims = FakeClaims(elsewhere=["key-2"])
    rows = [row(number) for number in (1, 2, 3)]
    taken = clear(held(claims), rows)
    assert taken.put_off == [(rows[1], OTHER)]
    assert claims.asked == [["key-1", "key-2", "key-3"]], "one statement a call"
    assert claims.mine == {"key-1", "key-3"}


def test_a_row_that_is_sent_again_is_not_claimed_again() -> None:
    claims = FakeClaims()
    keys = held(claims)
    clear(keys, [row(1), row(2)])
    clear(keys, [row(2)])
    assert len(claims.asked) == 1


def test_settled_rows_give_their_keys_back() -> None:
    claims = FakeClaims()
    keys = held(claims)
    clear(keys, [row(1), row(2)])
    keys.release([1, 99])
    assert claims.mine == {"key-2"}
    clear(keys, [row(1)])
    assert claims.mine == {"key-1", "key-2"}


def test_a_key_is_kept_while_another_row_that_folds_alike_needs_it() -> None:
    claims = FakeClaims()
    keys = held(claims)
    clear(keys, [row(1, "Straße"), row(2, "STRASSE")])
    keys.release([1])
    assert claims.mine == {"strasse"}
    keys.release([2])
    assert claims.mine == set()


def test_a_key_that_an_earlier_process_left_behind_puts_its_row_in_doubt() -> None:
    rows = [row(1), row(2), row(3), row(4)]
    load_began = MOMENT - timedelta(hours=1)
    keys = held(FakeClaims(left_behind=["key-2", "key-3"]), unknown={3, 4, 9}, unknown_since=lambda: load_began)
    assert clear(keys, rows).since == {2: MOMENT, 3: MOMENT, 4: load_began}


def test_claims_are_renewed_long_before_they_expire_and_not_at_every_call() -> None:
    claims, clock = FakeClaims(), Clock()
    keys = held(claims, clock=clock)
    clear(keys, [row(1)])
    for clock.now in (10, 60, 99):
        keys.keep()
    assert claims.renewals == 0
    for clock.now in (101, 150, 199):
        keys.keep()
    assert claims.renewals == 1
    clock.now = 202
    keys.keep()
    assert claims.renewals == 2


def test_after_a_long_pause_nothing_is_sent_by_claims_that_others_may_have() -> None:
    claims, clock = FakeClaims(), Clock()
    keys = held(claims, clock=clock)
    clear(keys, [row(1), row(2)])
    claims.lost, clock.now = 1, 5000
    with pytest.raises(CallError, match="expired") as raised:
        keys.keep()
    assert raised.value.code == "CLAIMS_EXPIRED"


def test_a_task_that_begins_late_does_not_renew_what_it_has_just_claimed() -> None:
    claims, clock = FakeClaims(), Clock()
    keys = held(claims, clock=clock)
    clock.now = 5000
    clear(keys, [row(1)])
    keys.keep()
    assert claims.renewals == 0


def test_keys_of_a_call_that_may_still_be_carried_out_are_left_and_not_given_back() -> None:
    claims = FakeClaims()
    keys = held(claims)
    clear(keys, [row(1), row(2), row(3)])
    keys.mark_late([1, 2, 99])
    keys.release([1, 3])
    assert (claims.mine, claims.left) == ({"key-1", "key-2"}, {"key-1"})
