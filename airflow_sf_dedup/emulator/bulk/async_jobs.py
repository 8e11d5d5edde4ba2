"""Jobs of the first Bulk API: create, look at, close and abort."""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.emulator.bulk import async_shapes as shapes
from airflow_sf_dedup.emulator.bulk.async_request import AsyncCall
from airflow_sf_dedup.emulator.bulk.loads import OPERATIONS, find_sobject, read_load
from airflow_sf_dedup.emulator.bulk.work import stamp
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Response
from airflow_sf_dedup.emulator.state.bulk_jobs import JOB_PREFIX, ClassicJob, Progress

QUERIES = ("query", "queryAll")
_CONTENT_TYPES = ("XML", "CSV", "JSON")
#: By name, or by the number under which some clients know them.
_MODES = {None: "Parallel", "": "Parallel", "Parallel": "Parallel", "Serial": "Serial", 0: "Parallel", 1: "Serial"}
_KNOWN = frozenset(
    {"operation", "object", "contentType", "externalIdFieldName", "concurrencyMode", "assignmentRuleId", "state"}
)


def create(call: AsyncCall) -> Response:
    asked = call.job_info()
    for name in asked:
        if name not in _KNOWN:
            raise ApiError("InvalidJob", "Unable to parse Job")
    job = _create(call, asked)
    call.org.jobs.add(job)
    return shapes.one("jobInfo", shapes.job_info(job), call.format, 201)


def _create(call: AsyncCall, asked: dict[str, Any]) -> ClassicJob:
    operation, mode = asked.get("operation"), asked.get("concurrencyMode")
    content_type = asked.get("contentType") or "XML"
    if content_type not in _CONTENT_TYPES:
        raise ApiError("InvalidJob", f"Unsupported content type: {content_type}")
    if operation not in (*OPERATIONS, *QUERIES) or not isinstance(mode, str | int | None) or mode not in _MODES:
        raise ApiError("InvalidJob", "Unable to parse Job")
    queries = operation in QUERIES
    now = stamp(call.org)
    return ClassicJob(
        job_id=call.org.jobs.new_id(JOB_PREFIX),
        user_id=call.user_id,
        version=call.version,
        created=now,
        modified=now,
        progress=Progress("Open"),
        concurrency=_MODES[mode],
        operation=str(operation),
        sobject=find_sobject(call.org, asked.get("object"), "InvalidJob"),
        content_type=content_type,
        load=None if queries else read_load(call.org, asked, refused="InvalidJob"),
    )


def get(call: AsyncCall, job_id: str) -> Response:
    job = find(call, job_id)
    for batch in job.batches.values():
        batch.progress.look()
    return shapes.one("jobInfo", shapes.job_info(job), call.format)


def find(call: AsyncCall, job_id: str) -> ClassicJob:
    """:raises ApiError: InvalidJob."""
    found = call.org.jobs.find(job_id, ClassicJob)
    if found is None:
        raise ApiError("InvalidJob", f"Unable to find job: {job_id}")
    return found


def change(call: AsyncCall, job_id: str) -> Response:
    """Closes a job, or aborts it: batches that were not begun are not processed."""
    job = find(call, job_id)
    wanted = call.job_info().get("state")
    if wanted not in ("Closed", "Aborted"):
        raise ApiError("InvalidJobState", f"Invalid state: {wanted}")
    with job.lock:
        state = job.progress.state
        if state in ("Aborted", "Failed") or state == wanted:
            verb = "Closing" if wanted == "Closed" else "Aborting"
            raise ApiError("InvalidJobState", f"{verb} already {state} Job not allowed")
        job.progress.stop(str(wanted))
        job.modified = stamp(call.org)
        if wanted == "Aborted":
            for batch in job.batches.values():
                if batch.progress.state == "Queued":
                    batch.progress.stop("NotProcessed")
    return shapes.one("jobInfo", shapes.job_info(job), call.format)
