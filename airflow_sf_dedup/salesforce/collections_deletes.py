"""Puts records into the recycle bin through sObject Collections: answers the port ``RecordDeletes``.

``DELETE /composite/sobjects?ids=…`` takes 200 ids (REST API guide: "Delete Multiple Records with Fewer Round-Trips"),
and five of them travel in one ``POST /composite``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.http.retrying import LostSendings
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, ChunkRefused, nobody
from airflow_sf_dedup.salesforce.wire import rest
from airflow_sf_dedup.salesforce.wire.rest import Subrequest


class CollectionsDeletes:
    """A :class:`~airflow_sf_dedup.salesforce.ports.RecordDeletes` over sObject Collections."""

    rows_per_chunk = 200
    chunks_per_call = 5

    def __init__(self, session: SalesforceSession) -> None:
        self._session = session
        self._url = f"/services/data/v{session.api_version}/composite/sobjects"

    def delete(self, chunks: Sequence[Sequence[str]], *, on_late: Callable[[], None] = nobody) -> list[ChunkAnswer]:
        """Delete up to 1,000 records in one call; each on its own, whatever becomes of the others."""
        if not chunks:
            return []
        lost = LostSendings(on_late)
        answers: list[ChunkAnswer] = self._session.rest(
            "POST",
            "composite",
            body=rest.composite(map(self._of_chunk, chunks)),
            retry_timeouts=False,
            expects=dict,
            read=lambda answer: rest.read_composite(answer, [len(chunk) for chunk in chunks]),
            on_retry=lost,
        )
        if lost.in_doubt:
            answers = [rest.after_a_lost_answer(each) for each in answers]
        return [_of_the_records(chunk, each) for chunk, each in zip(chunks, answers, strict=True)]

    def _of_chunk(self, chunk: Sequence[str]) -> Subrequest:
        return Subrequest("DELETE", f"{self._url}?ids={','.join(chunk)}&allOrNone=false", None, {})


def _of_the_records(chunk: Sequence[str], answer: ChunkAnswer) -> ChunkAnswer:
    if isinstance(answer, ChunkRefused):
        return answer
    return rest.with_right_ids(answer, lambda place, record_id: record_id == chunk[place])
