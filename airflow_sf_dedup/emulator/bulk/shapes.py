"""How Bulk API 2.0 shows jobs and files. Shapes only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.state.bulk_jobs import ClassicJob, IngestJob, Job, QueryJob


def job_type(job: Job) -> str:
    if isinstance(job, ClassicJob):
        return "Classic"
    return "V2Ingest" if isinstance(job, IngestJob) else "V2Query"


def new_ingest_job(job: IngestJob) -> dict[str, Any]:
    return _identity(job, job.progress.shown()) | _content_url(job) | _csv(job)


def ingest_job(job: IngestJob, state: str) -> dict[str, Any]:
    """:param state: as whoever asks is told."""
    return (
        _identity(job, state)
        | {"jobType": "V2Ingest"}
        | (_content_url(job) if state == "Open" else {})
        | _csv(job)
        | {
            "numberRecordsProcessed": len(job.results),
            "numberRecordsFailed": job.failed,
            "retries": 0,
            "totalProcessingTime": job.timing.total,
            "apiActiveProcessingTime": job.timing.active,
            "apexProcessingTime": 0,
        }
        | ({"errorMessage": job.error} if job.error and state == "Failed" else {})
    )


def changed_job(job: Job) -> dict[str, Any]:
    return _identity(job, job.progress.shown())


def new_query_job(job: QueryJob) -> dict[str, Any]:
    return _identity(job, job.progress.shown()) | _csv(job)


def query_job(job: QueryJob, state: str) -> dict[str, Any]:
    return (
        _identity(job, state)
        | {"jobType": "V2Query"}
        | _csv(job)
        | {
            "numberRecordsProcessed": len(job.rows),
            "retries": 0,
            "totalProcessingTime": job.timing.total,
            "isPkChunkingSupported": True,
        }
        | ({"errorMessage": job.error} if job.error and state == "Failed" else {})
    )


def listed_job(job: Job) -> dict[str, Any]:
    state = job.progress.shown()
    content_url = _content_url(job) if isinstance(job, IngestJob) and state == "Open" else {}
    return _identity(job, state) | {"jobType": job_type(job)} | content_url | _csv(job)


def _identity(job: Job, state: str) -> dict[str, Any]:
    return {
        "id": job.job_id,
        "operation": _operation(job),
        "object": _sobject(job),
        "createdById": job.user_id,
        "createdDate": job.created,
        "systemModstamp": job.modified,
        "state": state,
        **_load(job),
        "concurrencyMode": job.concurrency,
        "contentType": job.content_type if isinstance(job, ClassicJob) else "CSV",
        "apiVersion": job.version,
    }


def _operation(job: Job) -> str:
    if isinstance(job, IngestJob):
        return job.load.operation
    return job.operation if isinstance(job, QueryJob | ClassicJob) else ""


def _sobject(job: Job) -> str:
    if isinstance(job, IngestJob):
        return job.load.sobject.name
    return job.sobject if isinstance(job, QueryJob) else job.sobject.name if isinstance(job, ClassicJob) else ""


def _load(job: Job) -> dict[str, Any]:
    load = job.load if isinstance(job, IngestJob | ClassicJob) else None
    shown: dict[str, Any] = {}
    if load is not None and load.key is not None:
        shown["externalIdFieldName"] = load.key.name
    if load is not None and load.assignment_rule_id is not None:
        shown["assignmentRuleId"] = load.assignment_rule_id
    return shown


def _content_url(job: Job) -> dict[str, Any]:
    """Without a leading slash, as Salesforce has it."""
    return {"contentUrl": f"services/data/v{job.version}/jobs/ingest/{job.job_id}/batches"}


def _csv(job: Job) -> dict[str, Any]:
    return {"lineEnding": job.line_ending, "columnDelimiter": job.delimiter}


def csv_response(call: Call, content: bytes, headers: Mapping[str, str] | None = None, *, rows: int = 0) -> Response:
    own = csv_header(names_charset=call.org.quirks.bulk_results_name_charset)
    return Response(200, content, {**own, **(headers or {})}, rows=rows)


def csv_header(*, names_charset: bool) -> dict[str, str]:
    """As a header of its own: a framework would add the charset to a media type."""
    return {"Content-Type": "text/csv; charset=UTF-8" if names_charset else "text/csv"}
