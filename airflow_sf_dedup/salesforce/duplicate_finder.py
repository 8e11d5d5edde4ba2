"""Which records are duplicates of others? By SOAP ``findDuplicatesByIds()``: answers the port ``DuplicateFinder``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.http.answers import root_of
from airflow_sf_dedup.salesforce.wire import soap
from airflow_sf_dedup.salesforce.writing_nothing import writing_nothing


class SoapDuplicateFinder:
    """A :class:`~airflow_sf_dedup.salesforce.ports.DuplicateFinder`: the active rules run over records as they are."""

    ids_per_call = 50

    def __init__(self, session: SalesforceSession) -> None:
        self._session = session

    def find(self, record_ids: Sequence[str]) -> list[DuplicatesFound | Failed]:
        """Ask about up to 50 records in one call."""
        if not record_ids:
            return []
        body = soap.find_duplicates_by_ids_body(record_ids)
        with writing_nothing():
            found: list[DuplicatesFound | Failed] = self._session.soap(
                lambda token: soap.envelope(token, "", body),
                action="findDuplicatesByIds",
                read=lambda answer: soap.read_find_duplicates_by_ids(root_of(answer), len(record_ids)),
            )
        return [_without_itself(each, own) for each, own in zip(found, record_ids, strict=True)]


def _without_itself(found: DuplicatesFound | Failed, own: str) -> DuplicatesFound | Failed:
    if isinstance(found, Failed):
        return found
    return replace(found, matches=tuple(match for match in found.matches or () if match.record_id != own))
