"""Which records block a row? SOAP ``upsert()``, the only batch write that says, answers the port ``DuplicateLookup``.

The look-up is itself a write under the same duplicate rules: what blocked a row a moment ago blocks
it again and is named; a row that nothing blocks any more is saved, as was wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from airflow_sf_dedup.core.api_names import api_name
from airflow_sf_dedup.core.outcomes import Outcome
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.http.answers import root_of
from airflow_sf_dedup.salesforce.http.retrying import LostSendings
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, nobody
from airflow_sf_dedup.salesforce.wire import rest, soap
from airflow_sf_dedup.salesforce.wire.rest import WriteOptions


class SoapUpsertLookup:
    """A :class:`~airflow_sf_dedup.salesforce.ports.DuplicateLookup` by SOAP ``upsert()``.

    :param repeatable: False for a key that is not unique: two upserts of it at once create two records.
    """

    rows_per_call = 200
    writes = True

    def __init__(
        self,
        session: SalesforceSession,
        *,
        sobject: SObject,
        external_id_field: str,
        options: WriteOptions = WriteOptions(),  # noqa: B008
        repeatable: bool = True,
    ) -> None:
        self._repeatable = repeatable
        self._session = session
        self._sobject = sobject
        self._external_id_field = api_name(external_id_field, "external_id_field")
        self._options = options

    def look_up(self, records: Sequence[Record], *, on_late: Callable[[], None] = nobody) -> ChunkAnswer:
        """Ask for up to 200 rows in one call; rows that XML cannot carry stay without matches."""
        carried = [record for record in records if soap.can_carry(record)]
        answer = self._upsert(carried, on_late) if carried else []
        outcomes = dict(zip((record.row_number for record in carried), answer, strict=True))
        return [outcomes.get(record.row_number, soap.CANNOT_BE_ASKED) for record in records]

    def _upsert(self, records: Sequence[Record], on_late: Callable[[], None]) -> list[Outcome]:
        body = soap.upsert_body(records, self._sobject, self._external_id_field)
        headers = soap.write_headers(self._options)
        lost = LostSendings(on_late)
        outcomes: list[Outcome] = self._session.soap(
            lambda token: soap.envelope(token, headers, body),
            action="upsert",
            read=lambda answer: self._read(answer, len(records)),
            repeatable=self._repeatable,
            retry_timeouts=False,
            on_retry=lost,
        )
        return [rest.in_doubt(outcome) for outcome in outcomes] if lost.in_doubt else outcomes

    def _read(self, answer: bytes, rows: int) -> list[Outcome]:
        return rest.with_right_ids(
            soap.read_upsert(root_of(answer), rows), lambda _, saved: self._sobject.has_id(saved)
        )
