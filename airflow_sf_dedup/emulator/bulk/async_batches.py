"""Batches of the first Bulk API: add, look at, and what came of them."""

from __future__ import annotations

from airflow_sf_dedup.emulator.bulk import async_shapes as shapes
from airflow_sf_dedup.emulator.bulk.async_jobs import find
from airflow_sf_dedup.emulator.bulk.async_request import NAMESPACE, AsyncCall, content_type
from airflow_sf_dedup.emulator.bulk.async_work import start_batch
from airflow_sf_dedup.emulator.bulk.shapes import csv_header
from airflow_sf_dedup.emulator.bulk.work import stamp, this_call
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Response
from airflow_sf_dedup.emulator.state.bulk_jobs import BATCH_PREFIX, Batch, ClassicJob, Progress

#: Bytes of a batch (Bulk API limits).
_LARGEST = 10_000_000


def add(call: AsyncCall, job_id: str) -> Response:
    job, jobs = find(call, job_id), call.org.jobs
    _check(call, job)
    now = stamp(call.org)
    batch = Batch(
        batch_id=jobs.new_id(BATCH_PREFIX),
        created=now,
        modified=now,
        body=call.body,
        content_type=job.content_type,
        call=this_call(call.org),
        progress=Progress("Queued"),
    )
    with job.lock:
        if job.progress.state != "Open":
            state = job.progress.state
            raise ApiError("InvalidJobState", f"Adding a batch to already {state} Job not allowed")
        job.batches[batch.batch_id] = batch
        start_batch(call.org, jobs, job, batch)
    return shapes.one("batchInfo", shapes.batch_info(job, batch, "Queued"), call.format, 201)


def _check(call: AsyncCall, job: ClassicJob) -> None:
    given = content_type(call.request.headers)
    # The text of a query is no record: it may come as whatever the client says.
    if given is None or (given != job.content_type and not job.queries):
        message = f"The content type of the batch does not match the content type of the job: {job.content_type}"
        raise ApiError("ClientInputError", message)
    if not call.body.strip():
        raise ApiError("ClientInputError", "Failed to read request. The request is empty")
    if len(call.body) > _LARGEST:
        raise ApiError("ClientInputError", f"Failed to read request. Exceeded max size limit of {_LARGEST}")


def get_all(call: AsyncCall, job_id: str) -> Response:
    job = find(call, job_id)
    shown = [shapes.batch_info(job, each, each.progress.look()) for each in list(job.batches.values())]
    return shapes.batch_list(shown, call.format)


def get(call: AsyncCall, job_id: str, batch_id: str) -> Response:
    job, batch = _find(call, job_id, batch_id)
    return shapes.one("batchInfo", shapes.batch_info(job, batch, batch.progress.look()), call.format)


def _find(call: AsyncCall, job_id: str, batch_id: str) -> tuple[ClassicJob, Batch]:
    job = find(call, job_id)
    for each, batch in list(job.batches.items()):
        if each == batch_id or (len(batch_id) == 15 and each[:15] == batch_id):
            return job, batch
    raise ApiError("InvalidBatch", f"Unable to find batch: {batch_id}")


def request(call: AsyncCall, job_id: str, batch_id: str) -> Response:
    """The batch as it was uploaded."""
    job, batch = _find(call, job_id, batch_id)
    return _content(call, job, batch.body)


def result(call: AsyncCall, job_id: str, batch_id: str) -> Response:
    """The result of every row in order; of a query the list of its results' ids."""
    job, batch = _done(call, job_id, batch_id)
    if job.queries:
        return _result_list(call, job, batch)
    rows = len(batch.results)
    if job.content_type == "JSON":
        return Response(200, shapes.results_as_json(batch.results), rows=rows)
    if job.content_type == "XML":
        return shapes.xml(shapes.results_as_xml(batch.results), rows=rows)
    return _content(call, job, shapes.results_as_csv(batch.results))


def _done(call: AsyncCall, job_id: str, batch_id: str) -> tuple[ClassicJob, Batch]:
    job, batch = _find(call, job_id, batch_id)
    if batch.progress.shown() != "Completed":
        raise ApiError("InvalidBatch", "Records not processed")
    return job, batch


def _result_list(call: AsyncCall, job: ClassicJob, batch: Batch) -> Response:
    if job.content_type == "JSON":
        return Response(200, [batch.result_id])
    return shapes.xml(f'<result-list xmlns="{NAMESPACE}"><result>{batch.result_id}</result></result-list>')


def query_result(call: AsyncCall, job_id: str, batch_id: str, result_id: str) -> Response:
    job, batch = _done(call, job_id, batch_id)
    if batch.result_id is None or result_id[:15] != batch.result_id[:15]:
        raise ApiError("InvalidBatch", f"Unable to find result: {result_id}")
    rows = len(batch.answer.rows)
    if job.content_type == "JSON":
        root = f"/services/data/v{job.version}"
        return Response(200, shapes.found_as_json(call.org, root, batch.answer), rows=rows)
    if job.content_type == "XML":
        return shapes.xml(shapes.found_as_xml(batch.answer), rows=rows)
    return _content(call, job, shapes.found_as_csv(batch.answer))


def _content(call: AsyncCall, job: ClassicJob, content: bytes) -> Response:
    if job.content_type == "CSV":
        return Response(200, content, csv_header(names_charset=call.org.quirks.bulk_results_name_charset))
    return Response(200, content, content_type=f"application/{job.content_type.lower()}")
