"""The org of a plan: it can be read, and whatever would write to it is refused before a call is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NoReturn

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.errors import CallError, SettingError
from airflow_sf_dedup.journeys.planning.written import ByThen, Written
from airflow_sf_dedup.journeys.workshop import Org
from airflow_sf_dedup.locks.base import RecordClaim
from airflow_sf_dedup.salesforce.ports import ChunkApi, DuplicateLookup, RecordReader


class PlanWritesError(TypeError):
    """Something that belongs to a plan tried to write: a mistake of ours, or of a decision that says no ``way``."""


@dataclass
class WritesNothing:
    """A ``ChunkApi`` and ``RecordUndeletes`` that writes nothing.

    :ivar rows_per_chunk: as of the API that a load would write by, like the other three.
    """

    rows_per_chunk: int
    chunks_per_call: int
    repeatable: bool
    ids_per_call: int = 1

    def upsert(self, *_: object, **__: object) -> NoReturn:
        """:raises PlanWritesError: always."""
        raise PlanWritesError("a plan writes nothing, and something of it was to upsert rows")

    def update(self, *_: object, **__: object) -> NoReturn:
        """:raises PlanWritesError: always."""
        raise PlanWritesError("a plan writes nothing, and something of it was to update records")

    def undelete(self, *_: object, **__: object) -> NoReturn:
        """:raises PlanWritesError: always."""
        raise PlanWritesError("a plan writes nothing, and something of it was to undelete records")


def read_only(org: Org, written: Written) -> Org:
    """The same org, of which only what reads is left, and that is read as it would be by now.

    :param written: what rows of the plan would have left in it.
    :raises SettingError: its look-up writes.
    """
    nothing = WritesNothing(org.api.rows_per_chunk, org.api.chunks_per_call, org.api.repeatable)

    def by_stamp(sobject: SObject, key_rule: KeyRule) -> tuple[ChunkApi, RecordReader]:
        return nothing, org.by_stamp(sobject, key_rule)[1]

    def instead(error: CallError) -> DuplicateLookup | None:
        lookup = org.lookup_instead(error)
        return None if lookup is None else that_only_reads(lookup)

    return replace(
        org,
        api=nothing,
        undeletes=nothing,
        reader=ByThen(org.reader, written),
        by_stamp=by_stamp,
        lookup=that_only_reads(org.lookup),
        lookup_instead=instead,
    )


def that_only_reads(lookup: DuplicateLookup) -> DuplicateLookup:
    """The look-up itself.

    :raises SettingError: it writes: rows that nothing blocks would be saved by it.
    """
    if lookup.writes:
        raise SettingError(
            "lookup: a plan writes nothing, and this one saves what nothing blocks; take find_duplicates or predupe",
            setting="lookup",
        )
    return lookup


@dataclass
class ClaimsInMemory:
    """``RecordClaims`` of one plan: it keeps two of its own keys from one record, and nobody else from anything."""

    _keys: dict[str, str] = field(default_factory=dict)

    def claim(
        self, load_id: str, org_id: str, claims: Iterable[RecordClaim], *, read_at: datetime | None = None
    ) -> Mapping[str, str]:
        """The first key gets the record."""
        return {each.record_id: self._keys.setdefault(each.record_id, each.key) for each in claims}

    def claimed(self, load_id: str, org_id: str) -> Mapping[str, str]:
        """All of them."""
        return dict(self._keys)

    def release(self, load_id: str, org_id: str, record_ids: Iterable[str]) -> None:
        """Nothing is refused, and so nothing given up."""

    def release_load(self, load_id: str, org_id: str) -> None:
        """They end with the plan."""
        self._keys.clear()


#: Makes the ports to an org out of gates, as a workshop does.
OpensOrg = Callable[[Sequence[Callable[[], None]]], Org]


def opened_to_read(open_org: OpensOrg, written: Written) -> OpensOrg:
    """What opens the same org to read."""
    return lambda gates: read_only(open_org(gates), written)
