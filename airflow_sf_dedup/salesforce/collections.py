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
from airflow_sf_dedup.salesforce.wire.rest import Subrequest, WriteOptions


class CollectionsApi:
    """An :class:`~airflow_sf_dedup.salesforce.ports.ChunkApi` over sObject Collections.

    :param external_id_field: ``None``: records carry no key, and every row says which record it is written to.
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
        external_id_field: str | None,
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
        self._base_url = base
        self._key_field = api_name(external_id_field, "external_id_field") if external_id_field is not None else ""
        self._upsert_url = f"{base}/{self._sobject}/{self._key_field}"

    def upsert(
        self, chunks: Sequence[Sequence[Record]], *, allow_save: bool = False, on_late: Callable[[], None] = nobody
    ) -> list[ChunkAnswer]:
        """Write the chunks in one call, which is not retried when no answer comes in time."""
        options = replace(self._options, allow_save=allow_save)
        request = rest.composite(self._written(chunk, options) for chunk in chunks)
        told = [_tells_created(chunk) for chunk in chunks]
        answers = self._sent(request, told, _sizes(chunks), on_late, repeatable=self.repeatable)
        return [self._of_the_rows(chunk, each) for chunk, each in zip(chunks, answers, strict=True)]

    def update(
        self, chunks: Sequence[Sequence[RecordUpdate]], *, on_late: Callable[[], None] = nobody
    ) -> list[ChunkAnswer]:
        """Update records by id in one call; the same values twice do no harm."""
        options = replace(self._options, allow_save=False, assignment_rules=False)
        request = rest.composite(self._by_id(chunk, options) for chunk in chunks)
        answers = self._sent(request, [None] * len(chunks), _sizes(chunks), on_late)
        return [_of_the_records(chunk, each) for chunk, each in zip(chunks, answers, strict=True)]

    def _written(self, chunk: Sequence[Record], options: WriteOptions) -> Subrequest:
        """By the key, by the ids of the records, or as new records."""
        if chunk[0].known is None:
            if not self._key_field:
                raise TypeError(f"row {chunk[0].row_number} says of no record, and there is no key to upsert it by")
            body = rest.upsert_body(self._sobject, chunk)
            return Subrequest("PATCH", self._upsert_url, body, options.headers())
        if chunk[0].known.record_id is None:
            return Subrequest("POST", self._base_url, rest.upsert_body(self._sobject, chunk), options.headers())
        return self._by_id(self._updates(chunk), replace(options, assignment_rules=False))

    def _by_id(self, chunk: Sequence[RecordUpdate], options: WriteOptions) -> Subrequest:
        return Subrequest("PATCH", self._base_url, rest.update_body(self._sobject, chunk), options.headers())

    def _updates(self, chunk: Sequence[Record]) -> list[RecordUpdate]:
        """The key of a record that is known stays as it is spelled there."""
        return [
            RecordUpdate(row.known.record_id, self._without_key(row.fields))
            for row in chunk
            if row.known and row.known.record_id
        ]

    def _without_key(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in fields.items() if name.lower() != self._key_field.lower()}

    def _of_the_rows(self, chunk: Sequence[Record], answer: ChunkAnswer) -> ChunkAnswer:
        if chunk[0].known and chunk[0].known.record_id:
            return _of_the_records(self._updates(chunk), answer)
        return _with_ids(answer, lambda _, saved: saved.startswith(self._key_prefix))

    def _sent(
        self,
        request: Mapping[str, Any],
        created: Sequence[bool | None],
        sizes: Sequence[int],
        on_late: Callable[[], None],
        *,
        repeatable: bool = True,
    ) -> list[ChunkAnswer]:
        """:param created: of each chunk, whether what it saves is created; ``None``: the answer tells, if anything."""
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
        if lost.in_doubt:
            answers = [rest.after_a_lost_answer(each) for each in answers]
        return [
            each if is_created is None else rest.told_created(each, created=is_created)
            for each, is_created in zip(answers, created, strict=True)
        ]


def _tells_created(chunk: Sequence[Record]) -> bool | None:
    """Whether its rows create records; ``None``: it depends on the org."""
    known = chunk[0].known
    return None if known is None else known.record_id is None


def _of_the_records(chunk: Sequence[RecordUpdate], answer: ChunkAnswer) -> ChunkAnswer:
    return _with_ids(answer, lambda place, saved: saved == chunk[place].record_id)


def _with_ids(answer: ChunkAnswer, is_right: Callable[[int, str], bool]) -> ChunkAnswer:
    return answer if isinstance(answer, ChunkRefused) else rest.with_right_ids(answer, is_right)


def _sizes(chunks: Sequence[Sequence[object]]) -> list[int]:
    return [len(chunk) for chunk in chunks]
