"""Takes records out of the recycle bin by SOAP ``undelete()``: answers the port ``RecordUndeletes``.

No REST call does it. What was deleted with a record comes back with it; what a merge moved away does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from airflow_sf_dedup.core.outcomes import Failed, Outcome
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.http.answers import root_of
from airflow_sf_dedup.salesforce.http.retrying import LostSendings
from airflow_sf_dedup.salesforce.ports import nobody
from airflow_sf_dedup.salesforce.soap_access import NO_SOAP, SoapAccess
from airflow_sf_dedup.salesforce.wire import rest, soap
from airflow_sf_dedup.salesforce.wire.rest import WriteOptions


class SoapUndeletes:
    """A :class:`~airflow_sf_dedup.salesforce.ports.RecordUndeletes` by SOAP ``undelete()``.

    :param soap_access: what the task knows of SOAP; where the org refuses it, each record is refused.
    """

    ids_per_call = 200

    def __init__(self, session: SalesforceSession, soap_access: SoapAccess | None = None) -> None:
        self._session = session
        self._soap_access = soap_access or SoapAccess()

    def undelete(self, record_ids: Sequence[str], *, on_late: Callable[[], None] = nobody) -> list[Outcome]:
        """Undelete up to 200 records in one call; each on its own, whatever becomes of the others."""
        if not self._soap_access.is_refused:
            try:
                return self._undelete(record_ids, on_late) if record_ids else []
            except CallError as error:
                if not self._soap_access.is_refused_by(error):
                    raise
        return [Failed(NO_SOAP, "the org answers no SOAP call, and no other undeletes") for _ in record_ids]

    def _undelete(self, record_ids: Sequence[str], on_late: Callable[[], None]) -> list[Outcome]:
        body = soap.undelete_body(record_ids)
        headers = soap.write_headers(WriteOptions())
        lost = LostSendings(on_late)
        outcomes: list[Outcome] = self._session.soap(
            lambda token: soap.envelope(token, headers, body),
            action="undelete",
            read=lambda answer: rest.with_right_ids(
                soap.read_undelete(root_of(answer), len(record_ids)),
                lambda place, record_id: record_id == record_ids[place],
            ),
            retry_timeouts=False,
            on_retry=lost,
        )
        return [rest.in_doubt(outcome) for outcome in outcomes] if lost.in_doubt else outcomes
