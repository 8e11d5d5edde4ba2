"""``/jobs/query``: Bulk API 2.0 jobs that read."""

from __future__ import annotations

import base64
from typing import Any

from airflow_sf_dedup.emulator.bulk import shapes
from airflow_sf_dedup.emulator.bulk.csv_files import DELIMITERS, BatchRefused, write_csv
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
from airflow_sf_dedup.emulator.bulk.soql import find, read_query
from airflow_sf_dedup.emulator.bulk.work import stamp, start
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.soql.tree import Query
from airflow_sf_dedup.emulator.state.bulk_jobs import ENDED, JOB_PREFIX, Progress, QueryJob
from airflow_sf_dedup.emulator.state.org import Org

_OPERATIONS = ("query", "queryAll")
_MOST_DIGITS = 12


def create(call: Call) -> Response:
    outermost(call)
    asked = read_object(call.request.json_object(), frozenset({"operation", "query", "object", "contentType"}))
    job, query = _read(call, asked)
    call.org.jobs.add(job)
    start(call.org, call.org.jobs, job, lambda: _process(call.org, job, query))
    return Response(200, shapes.new_query_job(job))


def _read(call: Call, asked: dict[str, Any]) -> tuple[QueryJob, Query]:
    operation, soql = asked.get("operation"), asked.get("query") or ""
    if operation not in _OPERATIONS:
        raise ApiError("INVALIDJOB", f"Unable to create a query job for operation: {operation}")
    if (asked.get("contentType") or "CSV") != "CSV":
        raise ApiError("INVALIDJOB", "The only content type supported is CSV")
    delimiter, line_ending = csv_format(asked)
    query = _checked(call.org, soql)
    now = stamp(call.org)
    job = QueryJob(
        job_id=call.org.jobs.new_id(JOB_PREFIX),
        user_id=call.user_id,
        version=call.version,
        created=now,
        modified=now,
        progress=Progress("UploadComplete"),
        delimiter=delimiter,
        line_ending=line_ending,
        operation=operation,
        sobject=call.org.sobject(str(query.sobject)).name,
        soql=soql,
    )
    return job, query


def _checked(org: Org, soql: str) -> Query:
    """The query, run once without looking at its answer: what is wrong with it refuses the job."""
    try:
        query = read_query(soql)
        if org.schema.find(str(query.sobject)) is None:
            raise ApiError("INVALIDENTITY", f"Entity '{query.sobject}' is not supported by the Bulk API.")
        find(org, query, deleted=False)
    except ApiError as error:
        if error.code == "INVALIDENTITY":
            raise
        raise ApiError("API_ERROR", f"{error.code}: {error.message}") from None
    return query


def _process(org: Org, job: QueryJob, query: Query) -> None:
    try:
        found = find(org, query, deleted=job.operation == "queryAll")
    except ApiError as error:
        raise BatchRefused(f"Failed to process query: {error}") from None
    job.header, job.rows = found.header, found.rows


def get_all(call: Call) -> Response:
    return list_jobs(call, "query")


def get(call: Call, job_id: str) -> Response:
    job = find_job(call, job_id, QueryJob)
    return Response(200, shapes.query_job(job, job.progress.look()))


def change(call: Call, job_id: str) -> Response:
    """Aborts a job."""
    job = find_job(call, job_id, QueryJob)
    wanted = read_state(call, ("Aborted",))
    with job.lock:
        change_state(call, job, wanted, None)
    return Response(200, shapes.changed_job(job))


def remove(call: Call, job_id: str) -> Response:
    return delete_job(call, find_job(call, job_id, QueryJob), ENDED)


def results(call: Call, job_id: str) -> Response:
    """A page of rows; every page has the header."""
    job = find_job(call, job_id, QueryJob)
    state = job.progress.shown()
    if state != "JobComplete":
        raise ApiError("INVALIDJOBSTATE", f"Getting results of a Job in state {state} not allowed")
    if job.version != call.version:
        message = f"The results of a job of API version {job.version} have to be asked for in that version"
        raise ApiError("INVALIDVERSION", message, status=409)
    start = _read_locator(call.request.query.get("locator"), len(job.rows))
    page = job.rows[start : start + _page_size(call)]
    following = start + len(page)
    headers = {
        "Sforce-Locator": _locator(following) if following < len(job.rows) else "null",
        "Sforce-NumberOfRecords": str(len(page)),
    }
    content = write_csv(job.header, page, delimiter=DELIMITERS[job.delimiter], line_ending=job.line_ending)
    return shapes.csv_response(call, content, headers, rows=len(page))


def _page_size(call: Call) -> int:
    usual = call.org.physics.bulk_query_rows
    wanted = call.request.query.get("maxRecords")
    if wanted is None:
        return usual
    if not (wanted.isascii() and wanted.isdigit()) or len(wanted) > _MOST_DIGITS or int(wanted) < 1:
        raise ApiError("INVALIDVALUE", f"maxRecords should be a positive number, not {wanted}")
    return min(int(wanted), usual)


def _locator(start: int) -> str:
    """``MTAwMDA`` is row 10000."""
    return base64.b64encode(str(start).encode()).decode().rstrip("=")


def _read_locator(given: str | None, rows: int) -> int:
    if given is None:
        return 0
    try:
        text = base64.b64decode(given + "=" * (-len(given) % 4), validate=True).decode()
    except ValueError:
        text = ""
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS or int(text) > rows:
        raise ApiError("INVALIDVALUE", f"invalid locator: {given}")
    return int(text)
