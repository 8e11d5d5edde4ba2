"""Claims on keys that meet: real threads, real processes, real servers."""

from __future__ import annotations

import random
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, pairwise, repeat
from multiprocessing import get_context

import pytest
from sqlalchemy import event, insert, make_url, select
from sqlalchemy.exc import OperationalError

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.database.engine import engine_for, writing
from airflow_sf_dedup.database.storable import key_hash
from airflow_sf_dedup.database.tables import key_claim
from airflow_sf_dedup.database.upgrade import upgrade
from airflow_sf_dedup.locks.base import KeyScope
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
from airflow_sf_dedup.locks.stored_keys import scope_columns
from airflow_sf_dedup.testing.contracts.claims import a_claimant, a_scope
from airflow_sf_dedup.testing.postgres import new_database

KEYS = [f"key-{number}" for number in range(60)]


@dataclass(frozen=True)
class Stay:
    """One key in one claimant's hands, by the machine's clock: from after the claim to before the release."""

    key: str
    since: float
    until: float


def claims_on(url: str) -> SqlKeyClaims:
    return SqlKeyClaims(engine_for(url))


def work(url: str, scope: KeyScope, seed: int) -> list[Stay]:
    """Claim random keys, hold what was granted for a moment, give it back in two parts."""
    chance, claims, me, stays = random.Random(seed), claims_on(url), a_claimant(), []
    for _ in range(25):
        wanted = chance.sample(KEYS, chance.randint(1, 40))
        grant = claims.claim(scope, me, wanted)
        since = time.monotonic()
        assert grant.granted.keys() ^ grant.refused.keys() == set(wanted)
        if chance.random() < 0.3:
            assert claims.renew(me) == len(grant.granted)
        given = chance.sample(sorted(grant.granted), len(grant.granted))
        until = time.monotonic()
        stays += [Stay(key, since, until) for key in given]
        claims.release(scope, me, given[::2])
        claims.release(scope, me, given[1::2])
    claims.engine.dispose()
    return stays


def overlaps(stays: list[Stay]) -> list[tuple[Stay, Stay]]:
    in_order = sorted(stays, key=lambda stay: (stay.key, stay.since))
    return [(one, next_) for one, next_ in pairwise(in_order) if one.key == next_.key and next_.since < one.until]


def executor_of(kind: str) -> Executor:
    return ThreadPoolExecutor(6) if kind == "threads" else ProcessPoolExecutor(6, mp_context=get_context("fork"))


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_no_key_is_ever_in_two_hands(claims_url, kind):
    scope = a_scope()
    with executor_of(kind) as executor:
        stays = list(chain.from_iterable(executor.map(work, repeat(claims_url), repeat(scope), range(6))))
    assert overlaps(stays) == []
    assert {stay.key for stay in stays} == set(KEYS)
    claims = claims_on(claims_url)
    assert claims.claim(scope, a_claimant(), KEYS).refused == {}
    claims.engine.dispose()


def test_the_check_sees_a_key_in_two_hands():
    stays = [Stay("a", 1, 3), Stay("a", 2, 4), Stay("a", 4, 5), Stay("b", 2, 3)]
    assert overlaps(stays) == [(stays[0], stays[1])]


def take_over(url: str, scope: KeyScope) -> list[str]:
    claims = claims_on(url)
    granted = list(claims.claim(scope, a_claimant(), KEYS).granted)
    claims.engine.dispose()
    return granted


def test_of_many_who_take_over_what_expired_one_gets_each_key(claims_url):
    scope, engine = a_scope(), engine_for(claims_url)
    SqlKeyClaims(engine, -SqlKeyClaims(engine).lifetime).claim(scope, a_claimant(), KEYS)
    engine.dispose()
    with ThreadPoolExecutor(6) as executor:
        granted = list(chain.from_iterable(executor.map(take_over, repeat(claims_url, 6), repeat(scope))))
    assert sorted(granted) == sorted(KEYS)


@pytest.fixture
def postgres(postgres_url) -> str:
    """A database of its own, in which nobody waits longer than a second for a lock."""
    url = new_database(postgres_url)
    engine = engine_for(url)
    upgrade(engine)
    engine.dispose()
    asked = make_url(url).update_query_dict({"options": "-c lock_timeout=1s"})
    return asked.render_as_string(hide_password=False)


def test_claims_on_different_keys_do_not_wait_for_each_other(postgres):
    claims, scope, other = claims_on(postgres), a_scope(), a_scope()
    claims.claim(scope, a_claimant(), ["held"])
    now = utc_now()
    row = {"token": "t", "load_id": "l", "task": "t", "claimed_at": now, "expires_at": now, "org_time": now}
    with writing(claims.engine) as unfinished:
        unfinished.execute(select(key_claim).with_for_update())
        unfinished.execute(insert(key_claim).values(**scope_columns(scope), key_hash=key_hash("new"), **row))
        mine = a_claimant()
        assert len(claims.claim(scope, mine, KEYS).granted) == len(KEYS)
        assert claims.claim(other, mine, ["held", "new"]).refused == {}
        assert claims.renew(mine) == len(KEYS) + 2
        claims.release(scope, mine, [*KEYS, "held", "new"])
        for key in ("held", "new"):
            with pytest.raises(OperationalError, match="lock timeout"):
                claims.claim(scope, mine, [key])
    claims.engine.dispose()


LOSE_TWICE = """
CREATE SEQUENCE lost;
CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('lost') <= 2 THEN RAISE EXCEPTION 'met another' USING ERRCODE = '{state}'; END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER lose BEFORE {verb} ON sf_dedup_key_claim EXECUTE FUNCTION lose();
"""


@pytest.mark.parametrize("state", ["40P01", "40001"], ids=["deadlock", "not serializable"])
@pytest.mark.parametrize("verb", ["INSERT", "UPDATE", "DELETE"])
def test_what_postgres_gives_up_for_anothers_sake_is_done_again(postgres, verb, state):
    claims, scope, me = claims_on(postgres), a_scope(), a_claimant()
    with writing(claims.engine) as connection:
        connection.exec_driver_sql(LOSE_TWICE.format(verb=verb, state=state))
    assert claims.claim(scope, me, ["a", "b"]).refused == {}
    assert claims.renew(me) == 2
    claims.release(scope, me, ["a"])
    assert claims.renew(me) == 1
    claims.engine.dispose()


def test_any_other_error_is_raised_at_once(postgres):
    claims = claims_on(postgres)
    with writing(claims.engine) as connection:
        connection.exec_driver_sql(LOSE_TWICE.format(verb="INSERT", state="23514"))
    for _ in range(2):
        with pytest.raises(Exception, match="met another"):
            claims.claim(a_scope(), a_claimant(), ["a"])
    assert claims.claim(a_scope(), a_claimant(), ["a"]).refused == {}
    claims.engine.dispose()


@pytest.fixture
def impatient(tmp_path) -> SqlKeyClaims:
    """Claims in a SQLite file that do not wait for another writer."""
    claims = claims_on(f"sqlite:///{tmp_path / 'audit.db'}")
    event.listen(claims.engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=0"))
    upgrade(claims.engine)
    return claims


def test_a_busy_file_is_asked_again(impatient):
    other, tries = ExitStack(), []
    other.enter_context(writing(engine_for(impatient.engine.url)))

    def let_go_at_the_third_try(*_) -> None:
        tries.append(1)
        if len(tries) == 3:
            other.close()

    event.listen(impatient.engine, "checkout", let_go_at_the_third_try)
    with other:
        assert impatient.claim(a_scope(), a_claimant(), ["a"]).refused == {}
    assert len(tries) == 3


def test_a_file_that_stays_busy_is_said(impatient):
    with writing(engine_for(impatient.engine.url)), pytest.raises(OperationalError, match="locked"):
        impatient.claim(a_scope(), a_claimant(), ["a"])
