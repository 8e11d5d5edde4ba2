"""Who may write this key, and this record, now?

A key is claimed before each call that writes it and released when the call has answered: one key is in
flight at most once, whatever tasks, runs and Dags send it. A matched record is claimed once per org
before it is touched: two keys that want one record never both stamp it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class KeyScope:
    """The keys of one external-ID field of one org. Names of sObjects and fields are alike in any case."""

    #: 18 characters.
    org_id: str
    sobject: str
    external_id_field: str


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who writes for one load: one process, or one job and whoever finishes it. Another try of a task is another."""

    #: Unique to the process or job.
    token: str
    load_id: str
    #: For people: the Dag, the run, the task, its map index and its try.
    task: str


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a key in flight."""

    load_id: str
    task: str
    #: UTC.
    claimed_at: datetime
    #: UTC; from then on others may have the key. ``None``: it is no claim that holds, but a newer row of the key of
    #: which nobody has said yet what became of it.
    expires_at: datetime | None

    def __str__(self) -> str:
        """The task, and until when others wait for it."""
        if self.expires_at is None:
            return f"{self.task} (not settled yet)"
        return f"{self.task} (its claim holds until {self.expires_at:%H:%M:%S} UTC)"


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer to a wish for keys: each is in exactly one of the two."""

    #: Key to the moment, by the org's clock, since which an earlier process of the same load may have sent it: one
    #: that claimed it and neither released it nor lived to say what came of it. ``None``: there is none such.
    granted: Mapping[str, datetime | None]
    #: Key to who has it.
    refused: Mapping[str, Holder]
    #: The same as in ``granted``, of keys that were refused.
    doubted: Mapping[str, datetime] = field(default_factory=dict)


class KeyClaims(Protocol):
    """Grants each key of a scope to one claimant at a time. Nothing waits: who is refused comes again."""

    @property
    def lifetime(self) -> timedelta:
        """How long a claim holds unless it is renewed or released."""

    def claim(
        self, scope: KeyScope, claimant: Claimant, keys: Iterable[str], *, org_time: datetime | None = None
    ) -> Grant:
        """Claim keys in one sorted statement. A key that the claimant has already is granted and renewed;
        one that somebody else left behind is taken over once it has expired. The load of a process that left
        it behind learns so even if another load had the key in between.

        :param org_time: the org's own time, UTC: whoever finds the claim left behind compares it with the org's dates.
            ``None``: taken to be that of the claims.
        """

    def renew(self, claimant: Claimant) -> int:
        """Let all claims of the claimant hold for ``lifetime`` from now; answers how many it still has."""

    def release(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str], *, settled: bool = True) -> None:
        """Give up the claimant's claims on these keys; claims of others stay.

        :param settled: their rows are; otherwise what earlier processes of the load may have sent stays known.
        """

    def doubted(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str]) -> frozenset[str]:
        """Of these keys, those that an earlier process of the claimant's load may have sent, without claiming any."""

    def held(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str]) -> frozenset[str]:
        """Of these keys, those that are claimed by the claimant's token, whichever process claimed them."""

    def leave(self, scope: KeyScope, claimant: Claimant, keys: Iterable[str], *, unknown: bool = False) -> None:
        """Let the claimant's claims on these keys end by themselves, unrenewed; until then nobody gets the keys.

        For keys of which a call may still be under way.

        :param unknown: nobody knows what became of them: the next process of the load learns since when they may have
            been sent. Otherwise they are settled, and leave no doubt.
        """


@dataclass(frozen=True, slots=True)
class Watermark:
    """A state of a key that was sent, and of which nobody has said yet whether it was written."""

    #: From :func:`airflow_sf_dedup.core.ordering.order_of`: of two of one kind, the later state has the greater text.
    order: str
    #: The row that raised it: the id of its load, ``/`` and its number.
    raised_by: str
    #: Since when the row may be in the org, by the org's clock, UTC.
    since: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the states of a key."""

    #: The order of the newest state that was surely written; ``None``: none is known.
    confirmed: str | None = None
    #: States that were sent, one a row, until somebody says what became of them.
    provisional: tuple[Watermark, ...] = ()


class Watermarks(Protocol):
    """Remembers how new the states of each key of a scope are (``newer_than``). Who asks or changes holds the key's
    claim.
    """

    def standing(self, scope: KeyScope, keys: Iterable[str]) -> Mapping[str, Standing]:
        """Key to its standing; keys of which no state was sent are absent."""

    def announce(self, scope: KeyScope, marks: Mapping[str, Watermark]) -> None:
        """These states are about to be sent. A row that announces its own again keeps the earlier ``since``."""

    def confirm(self, scope: KeyScope, marks: Mapping[str, Watermark]) -> None:
        """These states were written: what is confirmed is not lowered by it, a state of another kind replaces it.

        Provisional states that are not newer are forgotten with it.
        """

    def take_back(self, scope: KeyScope, marks: Mapping[str, Watermark]) -> None:
        """These states were surely not written: the rows that raised them hold nobody up any more."""


@dataclass(frozen=True, slots=True)
class RecordClaim:
    """A wish to stamp a key on a matched record."""

    #: 18 characters.
    record_id: str
    #: The normalised key that wants the record.
    key: str


class RecordClaims(Protocol):
    """Grants each record of an org to one key of one load at a time."""

    def claim(
        self, load_id: str, org_id: str, claims: Iterable[RecordClaim], *, read_at: datetime | None = None
    ) -> Mapping[str, str]:
        """Claim all records in one sorted statement; answers record id to the key that holds it now.

        A claim by the same key is answered with that key, whichever task or try made it. A claim that
        another load left behind is taken over once it has expired.

        :param read_at: when the records were read, UTC. Who held a record later than that, and may have
            stamped it since, still holds it here. ``None``: they need not have been read.
        """

    def claimed(self, load_id: str, org_id: str) -> Mapping[str, str]:
        """Record id to key, of all that the load has claimed and not given up."""

    def release(self, load_id: str, org_id: str, record_ids: Iterable[str]) -> None:
        """Give up this load's claims on records that were not written after all."""

    def release_load(self, load_id: str, org_id: str) -> None:
        """End all claims of a load that is over; what it wrote carries its key by now."""
