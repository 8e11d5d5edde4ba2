"""Writes through sObject Collections, up to five of them in one ``POST /composite``: answers the port ``ChunkApi``.

One such call carries 1,000 rows and counts as one API call (REST API guide: "Composite", "sObject
Collections"). It does not say which records blocked a row; that is the lookup's work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from airflow_sf_dedup.core.api_names import api_name
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.http.retrying import LostSendings
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, ChunkRefused, RecordUpdate, nobody
from airflow_sf_dedup.salesforce.wire import rest
from airflow_sf_dedup.salesforce.wire.rest import WriteOptions


class CollectionsApi:
    """An :class:`~airflow_sf_dedup.salesforce.ports.ChunkApi` over sObject Collections.

    :param key_prefix: how the ids of the sObject's records begin; ``None``: nobody knows.
    :param repeatable: False for a key that is not unique: two upserts of it at once create two records.
    """

    rows_per_chunk = 200
    chunks_per_call = 5

    def __init__(
        self,
        session: SalesforceSession,
        *,
        sobject: str,
        external_id_field: str,
        key_prefix: str | None = None,
        options: WriteOptions = WriteOptions(),  # noqa: B008
        repeatable: bool = True,
    ) -> None:
        self.repeatable = repeatable
        self._key_prefix = key_prefix or ""
        self._session = session
        self._sobject = api_name(sobject, "sobject")
        self._options = options
        base = f"/services/data/v{session.api_version}/composite/sobjects"
        self._update_url = base
        self._upsert_url = f"{base}/{self._sobject}/{api_name(external_id_field, 'external_id_field')}"

    def upsert(
        self, chunks: Sequence[Sequence[Record]], *, allow_save: bool = False, on_late: Callable[[], None] = nobody
    ) -> list[ChunkAnswer]:
        """Upsert the chunks in one call, which is not retried when no answer comes in time."""
        options = replace(self._options, allow_save=allow_save)
        bodies = [rest.upsert_body(self._sobject, chunk) for chunk in chunks]
        request = rest.composite("PATCH", self._upsert_url, bodies, options.headers())
        answers = self._sent(request, _sizes(chunks), on_late, repeatable=self.repeatable)
        return [_with_ids(each, lambda _, saved: saved.startswith(self._key_prefix)) for each in answers]

    def update(
        self, chunks: Sequence[Sequence[RecordUpdate]], *, on_late: Callable[[], None] = nobody
    ) -> list[ChunkAnswer]:
        """Update records by id in one call; the same values twice do no harm."""
        options = replace(self._options, allow_save=False, assignment_rules=False)
        bodies = [rest.update_body(self._sobject, chunk) for chunk in chunks]
        request = rest.composite("PATCH", self._update_url, bodies, options.headers())
        answers = self._sent(request, _sizes(chunks), on_late)
        return [_of_the_records(chunk, each) for chunk, each in zip(chunks, answers, strict=True)]

    def _sent(
        self, request: Mapping[str, Any], sizes: Sequence[int], on_late: Callable[[], None], *, repeatable: bool = True
    ) -> list[ChunkAnswer]:
        lost = LostSendings(on_late)
        answers: list[ChunkAnswer] = self._session.rest(
            "POST",
            "composite",
            body=request,
            repeatable=repeatable,
            retry_timeouts=False,
            expects=dict,
            read=lambda answer: rest.read_composite(answer, sizes),
            on_retry=lost,
        )
        return [rest.after_a_lost_answer(each) for each in answers] if lost.in_doubt else answers


def _of_the_records(chunk: Sequence[RecordUpdate], answer: ChunkAnswer) -> ChunkAnswer:
    return _with_ids(answer, lambda place, saved: saved == chunk[place].record_id)


def _with_ids(answer: ChunkAnswer, is_right: Callable[[int, str], bool]) -> ChunkAnswer:
    return answer if isinstance(answer, ChunkRefused) else rest.with_right_ids(answer, is_right)


def _sizes(chunks: Sequence[Sequence[object]]) -> list[int]:
    return [len(chunk) for chunk in chunks]
