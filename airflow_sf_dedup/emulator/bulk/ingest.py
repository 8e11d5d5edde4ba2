"""``/jobs/ingest``: Bulk API 2.0 jobs that write."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from airflow_sf_dedup.emulator.bulk import shapes
from airflow_sf_dedup.emulator.bulk.csv_files import DELIMITERS, write_csv
from airflow_sf_dedup.emulator.bulk.loads import read_load
from airflow_sf_dedup.emulator.bulk.multipart import read_parts
from airflow_sf_dedup.emulator.bulk.requests import (
    change_state,
    csv_format,
    delete_job,
    find_job,
    list_jobs,
    outermost,
    read_object,
    read_state,
)
from airflow_sf_dedup.emulator.bulk.saving import error_text, known_id
from airflow_sf_dedup.emulator.bulk.work import stamp, start_ingest
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.results import Refused, RowResult, Saved
from airflow_sf_dedup.emulator.state.bulk_jobs import ENDED, JOB_PREFIX, IngestJob, Load, Progress
from airflow_sf_dedup.emulator.wire.http_rules import header_options

_PROPERTIES = frozenset({"object", "operation", "contentType", "externalIdFieldName", "assignmentRuleId"})
_MOST_MULTIPART_CHARACTERS = 100_000
#: The states in which a job may be deleted (Bulk API 2.0, "Delete a Job").
_DELETABLE = ENDED | {"UploadComplete"}
#: Failed results carry the id of the record from this version on.
_FAILED_ID_SINCE = 53.0


def create(call: Call) -> Response:
    """A job by its JSON, or with its data beside it in one multipart request."""
    outermost(call)
    parts = read_parts(call.request)
    if parts is None:
        job = _create(call, read_object(call.request.json_object(), _PROPERTIES))
        call.org.jobs.add(job)
        return Response(200, shapes.new_ingest_job(job))
    job = _create(call, read_object(parts.job, _PROPERTIES))
    if len(parts.content.decode("utf-8", errors="replace")) > _MOST_MULTIPART_CHARACTERS:
        message = f"Content of a multipart request is limited to {_MOST_MULTIPART_CHARACTERS} characters"
        raise ApiError("INVALIDJOB", message)
    job.upload = parts.content
    jobs = call.org.jobs
    jobs.add(job)
    start_ingest(call.org, jobs, job)
    return Response(200, shapes.new_ingest_job(job))


def _create(call: Call, asked: dict[str, Any]) -> IngestJob:
    content_type = asked.get("contentType") or "CSV"
    if content_type != "CSV":
        raise ApiError("INVALIDJOB", "The only content type supported is CSV")
    delimiter, line_ending = csv_format(asked)
    now = stamp(call.org)
    return IngestJob(
        job_id=call.org.jobs.new_id(JOB_PREFIX),
        user_id=call.user_id,
        version=call.version,
        created=now,
        modified=now,
        progress=Progress("Open"),
        delimiter=delimiter,
        line_ending=line_ending,
        load=_load(call, asked),
    )


def _load(call: Call, asked: dict[str, Any]) -> Load:
    honoured = call.org.quirks.bulk_honours_duplicate_header
    given = header_options(call.request.headers.get("sforce-duplicate-rule-header", "")) if honoured else {}
    return read_load(call.org, asked, allow_save=given.get("allowsave") == "true", refused="INVALIDJOB")


def get_all(call: Call) -> Response:
    return list_jobs(call, "ingest")


def get(call: Call, job_id: str) -> Response:
    job = find_job(call, job_id, IngestJob)
    return Response(200, shapes.ingest_job(job, job.progress.look()))


def upload(call: Call, job_id: str) -> Response:
    job = find_job(call, job_id, IngestJob)
    if "text/csv" not in call.request.headers.get("content-type", "").lower():
        raise ApiError("UNSUPPORTED_MEDIA_TYPE", "The data of a job has to be text/csv", status=415)
    content = call.request.body if isinstance(call.request.body, bytes) else b""
    if len(content) > call.org.physics.bulk_upload_bytes:
        raise ApiError("EXCEEDED_MAX_SIZE_REQUEST", "The data of a job is limited to 150 MB in base64", status=413)
    with job.lock:
        if job.progress.state != "Open":
            message = f"Uploading data to a Job in state {job.progress.shown()} not allowed"
            raise ApiError("INVALIDJOBSTATE", message)
        if job.upload is not None:
            if call.org.quirks.bulk_second_upload_refused_at == "upload":
                raise _several_contents(job)
            job.several_uploads = True
        job.upload = content
    return Response(201)


def _several_contents(job: IngestJob) -> ApiError:
    message = (
        f"Found multiple contents for job: <{job.job_id[:15]}>, please 'Close' / 'Abort' / 'Delete' the current Job "
        "then create a new Job and make sure you only do 'PUT' once on a given Job."
    )
    return ApiError("INVALIDJOB", message)


def change(call: Call, job_id: str) -> Response:
    """Closes or aborts a job."""
    job, jobs = find_job(call, job_id, IngestJob), call.org.jobs
    wanted = read_state(call, ("UploadComplete", "Aborted"))
    with job.lock:
        if wanted == "UploadComplete" and job.several_uploads:
            raise _several_contents(job)
        change_state(call, job, wanted, frozenset({"Open"}) if wanted == "UploadComplete" else None)
        if wanted == "UploadComplete":
            start_ingest(call.org, jobs, job)
    return Response(200, shapes.changed_job(job))


def remove(call: Call, job_id: str) -> Response:
    return delete_job(call, find_job(call, job_id, IngestJob), _DELETABLE)


# --- results ----------------------------------------------------------------------------------------------


def successful(call: Call, job_id: str) -> Response:
    job = _ended(call, job_id)

    def row(result: RowResult) -> tuple[str, str] | None:
        return (result.record_id, "true" if result.created else "false") if isinstance(result, Saved) else None

    return _results(call, job, ("sf__Id", "sf__Created"), row, "successful")


def failed(call: Call, job_id: str) -> Response:
    job = _ended(call, job_id)

    def row(result: RowResult) -> tuple[str, str] | None:
        if not isinstance(result, Refused):
            return None
        return known_id(call.org, result) if job.version >= _FAILED_ID_SINCE else "", error_text(result.errors)

    return _results(call, job, ("sf__Id", "sf__Error"), row, "failed")


def unprocessed(call: Call, job_id: str) -> Response:
    job = _ended(call, job_id)
    if job.upload is not None:
        return shapes.csv_response(call, job.upload)
    return _file(call, job, (), [([], row) for row in job.rows[len(job.results) :]], "unprocessed")


def _ended(call: Call, job_id: str) -> IngestJob:
    job = find_job(call, job_id, IngestJob)
    state = job.progress.shown()
    if state not in ENDED:
        raise ApiError("INVALIDJOBSTATE", f"Getting results of a Job in state {state} not allowed")
    return job


def _results(
    call: Call,
    job: IngestJob,
    own: tuple[str, str],
    shown: Callable[[RowResult], tuple[str, str] | None],
    name: str,
) -> Response:
    rows = ((shown(result), row) for result, row in zip(job.results, job.rows, strict=False))
    return _file(call, job, own, [(first, row) for first, row in rows if first is not None], name)


def _file(
    call: Call, job: IngestJob, own: tuple[str, ...], rows: list[tuple[Iterable[str], list[str]]], name: str
) -> Response:
    quirks = call.org.quirks
    order = list(range(len(job.header)))
    if quirks.bulk_result_columns == "alphabetical":
        order.sort(key=lambda place: job.header[place].lower())
    if quirks.bulk_results_shuffled:
        Random(f"{job.job_id}/{name}").shuffle(rows)  # noqa: S311
    header = [job.header[place] for place in order]
    bare = header if own and quirks.bulk_result_header_quotes == "sf__columns" else []
    content = write_csv(
        [*own, *([] if bare else header)],
        ([*first, *(row[place] for place in order)] for first, row in rows),
        delimiter=DELIMITERS[job.delimiter],
        line_ending=job.line_ending,
        bare=bare,
    )
    return shapes.csv_response(call, content, rows=len(rows))
