"""Which records block a row? The User Interface API's ``predupe``, which writes nothing: answers ``DuplicateLookup``.

One call a row, for orgs without SOAP (User Interface API guide, "Get Duplicate Records"). It names records and rules,
and no confidence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from airflow_sf_dedup.core.outcomes import DuplicatesFound, Outcome
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, nobody
from airflow_sf_dedup.salesforce.wire import predupe
from airflow_sf_dedup.salesforce.writing_nothing import writing_nothing


class PredupeLookup:
    """A :class:`~airflow_sf_dedup.salesforce.ports.DuplicateLookup` by ``ui-api/predupe``."""

    rows_per_call = 1
    writes = False

    def __init__(self, session: SalesforceSession, *, sobject: SObject) -> None:
        self._session = session
        self._sobject = sobject

    def look_up(self, records: Sequence[Record], *, on_late: Callable[[], None] = nobody) -> ChunkAnswer:
        """Ask for the one row; one that names a parent by the parent's key stays without matches."""
        return [self._found(each) if _can_carry(each) else _CANNOT_BE_ASKED for each in records]

    def _found(self, record: Record) -> Outcome:
        with writing_nothing():
            found: Outcome = self._session.rest(
                "POST",
                "ui-api/predupe",
                body={"apiName": self._sobject.name, "fields": dict(record.fields)},
                expects=dict,
                read=predupe.read_found,
            )
        return found


def _can_carry(record: Record) -> bool:
    """Fields of a record alone: without its parent, a rule that compares the parent could find somebody else."""
    return not any(isinstance(value, Mapping) for value in record.fields.values())


_CANNOT_BE_ASKED: Outcome = DuplicatesFound("blocked; it names a parent by key, which predupe cannot carry", ())
