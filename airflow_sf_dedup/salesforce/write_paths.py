"""Which ways lead into an org, and what is true of each? One table for all who have to know.

Light: settings are checked against it whenever a Dag file is parsed; what opens a path is imported when it is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.sobjects import SObject

if TYPE_CHECKING:
    from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
    from airflow_sf_dedup.salesforce.ports import ChunkApi, DuplicateLookup
    from airflow_sf_dedup.salesforce.wire.rest import WriteOptions


class Travels(Enum):
    """How rows travel."""

    #: Each call answers for its rows.
    BY_CALLS = "by_calls"
    #: A job takes them, and answers when it is over.
    BY_JOBS = "by_jobs"


@dataclass(frozen=True, slots=True)
class WriteTarget:
    """What is written, and by which key."""

    sobject: SObject
    key_rule: KeyRule


@dataclass(frozen=True, slots=True)
class WritePath:
    """One way of writing rows by their key.

    :ivar rows_a_call: at most.
    :ivar honours_allow_save: it can save a row past rules that only warn.
    :ivar repeatable: a call of unknown outcome may be made again, where the key is unique.
    :ivar open: what writes by calls; for a path by jobs, what settles its blocked rows.
    """

    name: str
    travels: Travels
    rows_a_call: int
    honours_allow_save: bool
    repeatable: bool
    open: Callable[[SalesforceSession, WriteTarget, WriteOptions], ChunkApi]

    def settles(self) -> WritePath:
        """The path by which its blocked rows are settled."""
        return self if self.travels is Travels.BY_CALLS and self.honours_allow_save else SETTLES


@dataclass(frozen=True, slots=True)
class LookupPath:
    """One way of asking which records block rows.

    :ivar writes: a row that nothing blocks any more is saved by it.
    :ivar without_soap: by which name it is asked where the org refuses SOAP; ``None``: it needs none.
    :ivar without_writing: by which name it is asked where nothing may be saved by it; ``None``: it saves nothing.
    """

    name: str
    rows_a_call: int
    writes: bool
    open: Callable[[SalesforceSession, WriteTarget, WriteOptions], DuplicateLookup]
    without_soap: str | None = None
    without_writing: str | None = None


def _collections(session: SalesforceSession, target: WriteTarget, options: WriteOptions) -> ChunkApi:
    from airflow_sf_dedup.salesforce.collections import CollectionsApi

    return CollectionsApi(
        session,
        sobject=target.sobject.name,
        external_id_field=target.key_rule.field.name if target.key_rule.is_field else None,
        key_prefix=target.sobject.key_prefix,
        options=options,
        repeatable=target.key_rule.field.unique,
    )


def _soap_upsert(session: SalesforceSession, target: WriteTarget, options: WriteOptions) -> DuplicateLookup:
    from airflow_sf_dedup.salesforce.soap_lookup import SoapUpsertLookup

    return SoapUpsertLookup(
        session,
        sobject=target.sobject,
        external_id_field=target.key_rule.field.name,
        options=options,
        repeatable=target.key_rule.field.unique,
    )


def _rest(session: SalesforceSession, target: WriteTarget, options: WriteOptions) -> DuplicateLookup:
    from airflow_sf_dedup.salesforce.rest_lookup import RestUpsertLookup

    return RestUpsertLookup(
        session,
        sobject=target.sobject,
        external_id_field=target.key_rule.field.name,
        options=options,
        repeatable=target.key_rule.field.unique,
    )


def _find_duplicates(session: SalesforceSession, target: WriteTarget, _: WriteOptions) -> DuplicateLookup:
    from airflow_sf_dedup.salesforce.find_duplicates_lookup import FindDuplicatesLookup

    return FindDuplicatesLookup(session, sobject=target.sobject)


def _predupe(session: SalesforceSession, target: WriteTarget, _: WriteOptions) -> DuplicateLookup:
    from airflow_sf_dedup.salesforce.predupe_lookup import PredupeLookup

    return PredupeLookup(session, sobject=target.sobject)


#: By the names that ``api`` may have. Five collections of 200 rows travel in one composite call.
WRITE_PATHS = {
    each.name: each
    for each in (
        WritePath(
            "collections",
            Travels.BY_CALLS,
            rows_a_call=1000,
            honours_allow_save=True,
            repeatable=True,
            open=_collections,
        ),
    )
}

#: What settles blocked rows where the path itself cannot: look-ups, stamps and saves go by calls.
SETTLES = WRITE_PATHS["collections"]

#: By the names that ``lookup`` may have.
LOOKUP_PATHS = {
    each.name: each
    for each in (
        LookupPath(
            "soap_upsert",
            rows_a_call=200,
            writes=True,
            open=_soap_upsert,
            without_soap="rest",
            without_writing="find_duplicates",
        ),
        LookupPath("rest", rows_a_call=1, writes=True, open=_rest, without_writing="predupe"),
        LookupPath("find_duplicates", rows_a_call=50, writes=False, open=_find_duplicates, without_soap="predupe"),
        LookupPath("predupe", rows_a_call=1, writes=False, open=_predupe),
    )
}
