"""What reverts hold while they act, and what happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.journeys.reverting.claiming import RevertClaims
from airflow_sf_dedup.journeys.reverting.ledger import Ledger
from airflow_sf_dedup.locks.base import Claimant, KeyScope, RecordClaim
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
from airflow_sf_dedup.locks.record_claims import SqlRecordClaims
from airflow_sf_dedup.testing.fake_org import KEY, ORG_ID, FakeOrg


def ledger_of(engine: Engine, load: Load, name: str) -> Ledger:
    """Of one revert of a load."""
    token = f"{load.load_id}/{name}"
    claims = RevertClaims(load, Claimant(token, token, "the task"), SqlRecordClaims(engine), SqlKeyClaims(engine))
    return Ledger(load, SqlAudit(engine), claims)


def claim_elsewhere(engine: Engine, what: str, record_id: str) -> None:
    """Another load has the record in flight, or the key ``a``."""
    if what == "record":
        SqlRecordClaims(engine).claim("another", ORG_ID, [RecordClaim(record_id, "a")])
    else:
        SqlKeyClaims(engine).claim(KeyScope(ORG_ID, "Lead", KEY), Claimant("t", "another", "task"), ["a"])


@contextmanager
def meanwhile(org: FakeOrg, call: str, act: Callable[[], Any]) -> Iterator[list[Any]]:
    """Something else is done right before each such call; what came of it is in the list."""
    done: list[Any] = []
    own = getattr(org, call)

    def both(*args: Any, **more: Any) -> Any:
        done.append(act())
        return own(*args, **more)

    setattr(org, call, both)
    yield done
    setattr(org, call, own)
