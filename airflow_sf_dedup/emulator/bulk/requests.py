"""What ingest and query jobs of Bulk API 2.0 have in common: finding, listing, changing and deleting them."""

from __future__ import annotations

from typing import Any, TypeVar

from airflow_sf_dedup.emulator.bulk import shapes
from airflow_sf_dedup.emulator.bulk.csv_files import DELIMITERS, LINE_ENDINGS
from airflow_sf_dedup.emulator.bulk.work import stamp
from airflow_sf_dedup.emulator.errors import ApiError, not_found
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.state.bulk_jobs import ENDED, ClassicJob, IngestJob, Job, QueryJob

#: What every job can be asked for; properties that only answers have are passed over.
_COMMON = frozenset({"columnDelimiter", "lineEnding", "contentType", "concurrencyMode"})
_ANSWERED = frozenset(
    {"id", "state", "apiVersion", "contentUrl", "createdById", "createdDate", "jobType", "systemModstamp"}
)
_STATES = ("Open", "UploadComplete", "InProgress", "JobComplete", "Aborted", "Failed")
#: How a refused change calls the state that a job is in.
_CALLED = {"UploadComplete": "Closed", "InProgress": "Closed", "JobComplete": "Completed"}
_PAGE = 1000

Kind = TypeVar("Kind", bound=Job)


def outermost(call: Call) -> None:
    """Jobs are no resource that /composite can ask for."""
    if call.inner:
        raise not_found()


def find_job(call: Call, job_id: str, kind: type[Kind]) -> Kind:
    """:raises ApiError: 404."""
    outermost(call)
    found = call.org.jobs.find(job_id, kind)
    if found is None:
        raise not_found()
    return found


def read_object(asked: dict[str, Any], properties: frozenset[str]) -> dict[str, Any]:
    """:raises ApiError: a property that there is not, or one that is no text."""
    for name, value in asked.items():
        if name not in properties | _COMMON | _ANSWERED:
            raise ApiError("JSON_PARSER_ERROR", f'Unrecognized field "{name}" at [line:1, column:1]')
        if name in properties and value is not None and not isinstance(value, str):
            raise ApiError("JSON_PARSER_ERROR", f"Cannot deserialize instance of string from {value!r}")
    return asked


def csv_format(asked: dict[str, Any]) -> tuple[str, str]:
    """Column delimiter and line ending."""
    return (
        _chosen(asked, "columnDelimiter", tuple(DELIMITERS), "COMMA"),
        _chosen(asked, "lineEnding", tuple(LINE_ENDINGS), "LF"),
    )


def _chosen(asked: dict[str, Any], name: str, choices: tuple[str, ...], default: str) -> str:
    value = asked.get(name)
    if value is None:
        return default
    if value not in choices:
        message = f"{value!r} not a valid value for {name}: should be one of {', '.join(choices)}"
        raise ApiError("JSON_PARSER_ERROR", f"{message} at [line:1, column:1]")
    return str(value)


def read_state(call: Call, wanted: tuple[str, ...]) -> str:
    """The state that a job is to have."""
    state = call.request.json_object().get("state")
    if state not in _STATES:
        raise ApiError("JSON_PARSER_ERROR", f"{state!r} is not a valid value for state at [line:1, column:1]")
    if state not in wanted:
        raise ApiError("INVALIDJOBSTATE", f"Changing the state of a Job to {state} not allowed")
    return str(state)


def change_state(call: Call, job: Job, wanted: str, allowed: frozenset[str] | None) -> None:
    """Aborts a job, or checks that it may be closed; the job's lock is held.

    :param allowed: the states that it may have; None: any but an end.
    :raises ApiError: INVALIDJOBSTATE.
    """
    state = job.progress.shown()
    if state in ENDED if allowed is None else state not in allowed:
        verb = "Aborting" if wanted == "Aborted" else "Closing"
        raise ApiError("INVALIDJOBSTATE", f"{verb} already {_CALLED.get(state, state)} Job not allowed")
    if wanted == "Aborted":
        job.progress.stop("Aborted")
        job.modified = stamp(call.org)


def delete_job(call: Call, job: Job, allowed: frozenset[str]) -> Response:
    with job.lock:
        state = job.progress.shown()
        if state not in allowed:
            raise ApiError("INVALIDJOBSTATE", f"Deleting a Job in state {state} not allowed")
        job.progress.stop("Aborted")
    call.org.jobs.forget(job)
    return Response(204)


# --- lists ------------------------------------------------------------------------------------------------


def list_jobs(call: Call, resource: str) -> Response:
    """:param resource: ``ingest`` or ``query``."""
    outermost(call)
    found = [job for job in call.org.jobs if _listed(call, job, resource)]
    start = _start(call.request.query.get("queryLocator"))
    page = found[start : start + _PAGE]
    done = start + _PAGE >= len(found)
    following = f"{call.root}/jobs/{resource}?queryLocator={_locator(start + _PAGE)}"
    body = {
        "done": done,
        "records": [shapes.listed_job(job) for job in page],
        "nextRecordsUrl": None if done else following,
    }
    return Response(200, body, rows=len(page))


def _listed(call: Call, job: Job, resource: str) -> bool:
    wanted = call.request.query.get("jobType")
    if call.request.query.get("isPkChunkingEnabled", "").lower() == "true":
        return False
    if wanted:
        return shapes.job_type(job) == wanted
    if isinstance(job, ClassicJob):
        return job.queries == (resource == "query")
    return isinstance(job, IngestJob if resource == "ingest" else QueryJob)


def _locator(start: int) -> str:
    return f"{JOB_LOCATOR}{start}"


JOB_LOCATOR = "01g5g00000JOBSAAA-"


def _start(locator: str | None) -> int:
    if not locator:
        return 0
    number = locator.removeprefix(JOB_LOCATOR)
    if not locator.startswith(JOB_LOCATOR) or not number.isascii() or not number.isdigit() or len(number) > 9:
        raise ApiError("INVALID_QUERY_LOCATOR", "invalid query locator")
    return int(number)
