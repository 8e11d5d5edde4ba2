"""Which records block a row? SOAP ``findDuplicates()``, which writes nothing: answers the port ``DuplicateLookup``.

The active duplicate rules of the sObject are run over rows that are not saved (SOAP guide, "findDuplicates()"). They
name what rules that only report find as well, and ask of each row as if it were new.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from airflow_sf_dedup.core.outcomes import DuplicatesFound, Outcome
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.errors import RequestRefusedError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.http.answers import root_of
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, nobody
from airflow_sf_dedup.salesforce.wire import rest, soap
from airflow_sf_dedup.salesforce.writing_nothing import NO_RULE, writing_nothing


class FindDuplicatesLookup:
    """A :class:`~airflow_sf_dedup.salesforce.ports.DuplicateLookup` by SOAP ``findDuplicates()``."""

    rows_per_call = 50
    writes = False

    def __init__(self, session: SalesforceSession, *, sobject: SObject) -> None:
        self._session = session
        self._sobject = sobject

    def look_up(self, records: Sequence[Record], *, on_late: Callable[[], None] = nobody) -> ChunkAnswer:
        """Ask for up to 50 rows in one call; rows that XML cannot carry stay without matches."""
        carried = [record for record in records if soap.can_carry(record)]
        answer = self._found(carried) if carried else []
        outcomes: dict[int, Outcome] = dict(zip((each.row_number for each in carried), answer, strict=True))
        return [outcomes.get(each.row_number, soap.CANNOT_BE_ASKED) for each in records]

    def _found(self, records: Sequence[Record]) -> list[DuplicatesFound]:
        body = soap.find_duplicates_body(records, self._sobject)
        try:
            with writing_nothing():
                found: list[DuplicatesFound] = self._session.soap(
                    lambda token: soap.envelope(token, "", body),
                    action="findDuplicates",
                    read=lambda answer: soap.read_find_duplicates(root_of(answer), len(records)),
                )
            return found
        except RequestRefusedError as error:
            if error.code != NO_RULE:
                raise
            return [rest.NOTHING_BLOCKS] * len(records)
