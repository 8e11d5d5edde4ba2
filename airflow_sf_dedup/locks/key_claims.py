"""Claims on keys, in the audit's database.

Every statement locks rows in the order of their primary key, so that transactions that meet wait for each
other for moments and never in a circle; claims on different keys do not meet at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Text,
    case,
    delete,
    func,
    literal,
    null,
    or_,
    select,
    update,
)

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.database.bulk import among, each, insert_into
from airflow_sf_dedup.database.columns import UtcDateTime
from airflow_sf_dedup.database.contention import again, in_key_order
from airflow_sf_dedup.database.engine import reading, writing
from airflow_sf_dedup.database.storable import stored_message
from airflow_sf_dedup.database.tables import key_claim, key_doubt
from airflow_sf_dedup.locks.base import Claimant, Grant, Holder, KeyScope
from airflow_sf_dedup.locks.stored_keys import PRIMARY_KEY, by_hash, scope_columns, within

#: Salesforce ends a request after ten minutes at the latest (REST API Developer Guide, API request limits),
#: and a claim is renewed before it holds for less.
LIFETIME = timedelta(minutes=12)

_Moment = ColumnElement[Any]

#: The token of no claimant, and the load of a claim that leaves no doubt.
_NOBODY = ""


class SqlKeyClaims:
    """Grants each key of a scope to one claimant at a time, in ``sf_dedup_key_claim``.

    Keys are stored as digests. Equal keys are one: who folds them does so before. Times are those of
    PostgreSQL's own clock, so that machines need not agree on theirs; a SQLite file belongs to one machine,
    whose clock counts.

    :param engine: from :func:`airflow_sf_dedup.database.engine.engine_for`.
    :param lifetime: how long a claim holds unless it is renewed or released; or what answers that, asked once, when a
        key is to be claimed.
    :param clock: the present, UTC, instead of the database's.
    """

    def __init__(
        self,
        engine: Engine,
        lifetime: timedelta | Callable[[], timedelta] = LIFETIME,
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.engine = engine
        self._asked_lifetime = lifetime
        self._clock = clock

    @cached_property
    def lifetime(self) -> timedelta:
        """How long a claim holds unless it is renewed or released."""
        asked = self._asked_lifetime
        return asked if isinstance(asked, timedelta) else asked()

    def claim(
        self, scope: KeyScope, claimant: Claimant, keys: Iterable[str], *, org_time: datetime | None = None
    ) -> Grant:
        """Claim keys in one sorted statement, and ask who holds those that were refused."""
        wanted = by_hash(keys)
        if not wanted:
            return Grant({}, {})
        granted, refused, doubts = again()(self._claim, scope, claimant, list(wanted), org_time)
        return Grant(
            {key: doubts.get(digest) for digest, key in wanted.items() if digest in granted},
            {key: refused[digest] for digest, key in wanted.items() if digest not in granted},
            {key: doubts[digest] for digest, key in wanted.items() if digest in doubts and digest not in granted},
        )

    def renew(self, claimant: Claimant) -> int:
        """Let all claims of the claimant hold for ``lifetime`` from now; answers how many it still has."""
        held = key_claim.c

        def renew() -> int:
            with writing(self.engine) as connection:
                _, expires_at = self._times()
                renewal = update(key_claim).where(in_key_order(key_claim, held.token == claimant.token))
                return connection.execute(renewal.values(expires_at=expires_at)).rowcount

        return again()(renew)

    def release(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str], *, settled: bool = True) -> None:
        """Give up the claimant's claims on these keys; claims of others stay, and doubts where rows are not settled."""
        digests = list(by_hash(keys))
        if digests:
            again()(self._release, scope, claimant, digests, settled)

    def _release(self, scope: KeyScope, claimant: Claimant, digests: Sequence[str], settled: bool) -> None:
        with writing(self.engine) as connection:
            connection.execute(delete(key_claim).where(self._claimed(scope, claimant, digests)))
            if settled:
                connection.execute(delete(key_doubt).where(*self._doubted(scope, claimant, digests)))

    def doubted(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str]) -> frozenset[str]:
        """Keys that other processes of the load claim or have left behind."""
        wanted = by_hash(keys)
        held = key_claim.c
        theirs = select(held.key_hash).where(
            *within(key_claim, scope),
            held.load_id == claimant.load_id,
            held.token != claimant.token,
            among(self.engine.dialect, held.key_hash, wanted),
        )
        left = select(key_doubt.c.key_hash).where(*self._doubted(scope, claimant, list(wanted)))
        with reading(self.engine) as connection:
            return frozenset(wanted[digest] for digest in connection.scalars(theirs.union(left)))

    def held(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str]) -> frozenset[str]:
        """Keys by the claimant's token."""
        wanted = by_hash(keys)
        held = key_claim.c
        own = select(held.key_hash).where(
            *within(key_claim, scope),
            held.token == claimant.token,
            among(self.engine.dialect, held.key_hash, list(wanted)),
        )
        if not wanted:
            return frozenset()
        with reading(self.engine) as connection:
            return frozenset(wanted[digest] for digest in connection.scalars(own))

    def leave(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str], *, unknown: bool = False) -> None:
        """Let the claimant's claims on these keys end by themselves, by a token that nobody has."""
        digests = list(by_hash(keys))
        nobodys = {"token": _NOBODY} if unknown else {"token": _NOBODY, "load_id": _NOBODY}

        def leave() -> None:
            with writing(self.engine) as connection:
                connection.execute(update(key_claim).where(self._claimed(scope, claimant, digests)).values(nobodys))
                if not unknown:
                    connection.execute(delete(key_doubt).where(*self._doubted(scope, claimant, digests)))

        if digests:
            again()(leave)

    def _claimed(self, scope: KeyScope, claimant: Claimant, digests: Sequence[str]) -> ColumnElement[bool]:
        """The claimant's own claims on these keys, to be locked in order."""
        return in_key_order(
            key_claim,
            *within(key_claim, scope),
            key_claim.c.token == claimant.token,
            among(self.engine.dialect, key_claim.c.key_hash, digests),
        )

    def _doubted(self, scope: KeyScope, claimant: Claimant, digests: Sequence[str]) -> list[ColumnElement[bool]]:
        """What processes of the claimant's own load may have sent."""
        doubted = among(self.engine.dialect, key_doubt.c.key_hash, digests)
        return [key_doubt.c.load_id == claimant.load_id, *within(key_doubt, scope), doubted]

    def _claim(
        self, scope: KeyScope, claimant: Claimant, digests: Sequence[str], org_time: datetime | None
    ) -> tuple[set[str], dict[str, Holder], dict[str, datetime]]:
        """The digests that are granted, who holds the others, and which of all are in doubt since when."""
        with writing(self.engine) as connection:
            now, expires_at = self._times()
            org_now = now if org_time is None else literal(org_time, UtcDateTime)
            times = {"claimed_at": now, "expires_at": expires_at, "org_time": org_now}
            taken = connection.execute(_take(connection, scope, claimant, digests, times)).all()
            if left := [row for row in taken if row.left_by]:
                connection.execute(_doubt(connection, scope, left))
            granted = {row.key_hash for row in taken}
            doubts = self._doubts(connection, scope, claimant, digests)
            refused = [digest for digest in digests if digest not in granted]
            # PostgreSQL locks rows that it does not update too, and SQLite has one writer: the holders of
            # what was refused are there until this transaction ends.
            # https://www.postgresql.org/docs/current/sql-insert.html#SQL-ON-CONFLICT
            return granted, _holders(connection, scope, refused) if refused else {}, doubts

    def _doubts(
        self, connection: Connection, scope: KeyScope, claimant: Claimant, digests: Sequence[str]
    ) -> dict[str, datetime]:
        """Digest to since when a process of the claimant's own load may have sent the key."""
        doubted = self._doubted(scope, claimant, digests)
        query = select(key_doubt.c.key_hash, key_doubt.c.since).where(*doubted)
        return {digest: since for digest, since in connection.execute(query)}  # noqa: C416 - a Row is no pair to mypy

    def _times(self) -> tuple[_Moment, _Moment]:
        """Now, and when a claim of now expires. Called in a transaction: in SQLite after others have written."""
        if self._clock is None and self.engine.dialect.name == "postgresql":
            return func.now(), func.now() + self.lifetime
        now = (self._clock or utc_now)()
        return literal(now, UtcDateTime), literal(now + self.lifetime, UtcDateTime)


def _take(
    connection: Connection,
    scope: KeyScope,
    claimant: Claimant,
    digests: Sequence[str],
    times: Mapping[str, _Moment],
) -> Any:
    wished = each(connection.dialect, key_hash=digests)
    texts = {
        **scope_columns(scope),
        "token": claimant.token,
        "load_id": claimant.load_id,
        "task": stored_message(claimant.task),
    }
    columns = {
        **{name: literal(value, Text) for name, value in texts.items()},
        "key_hash": wished.c.key_hash,
        **times,
    }
    insert = insert_into(connection.dialect, key_claim)
    insert = insert.from_select(list(columns), select(*columns.values()).order_by(wished.c.key_hash))
    new, held = insert.excluded, key_claim.c
    mine = held.token == new.token
    return insert.on_conflict_do_update(
        index_elements=PRIMARY_KEY,
        set_={
            **{name: new[name] for name in ("token", "load_id", "task", "expires_at")},
            **{name: case((mine, held[name]), else_=new[name]) for name in ("claimed_at", "org_time")},
            "left_by": case((mine, null()), else_=held.load_id),
            "left_since": case((mine, null()), else_=held.org_time),
        },
        where=or_(mine, held.expires_at <= new.claimed_at),
    ).returning(held.key_hash, held.left_by, held.left_since)


def _doubt(connection: Connection, scope: KeyScope, left: Iterable[Any]) -> Any:
    """Note whose processes left claims behind, and since when they may have sent the keys: at first, not at last."""
    lines = [
        {
            "load_id": row.left_by,
            **scope_columns(scope),
            "key_hash": row.key_hash,
            "since": row.left_since,
        }
        for row in sorted(left, key=lambda row: row.key_hash)
    ]
    return insert_into(connection.dialect, key_doubt).values(lines).on_conflict_do_nothing()


def _holders(connection: Connection, scope: KeyScope, digests: Sequence[str]) -> dict[str, Holder]:
    columns = key_claim.c
    query = select(columns.key_hash, columns.load_id, columns.task, columns.claimed_at, columns.expires_at).where(
        *within(key_claim, scope), among(connection.dialect, columns.key_hash, digests)
    )
    return {digest: Holder(*holder) for digest, *holder in connection.execute(query)}
