"""How the first Bulk API shows jobs, batches, results and errors, in XML, JSON and CSV. Shapes only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from airflow_sf_dedup.emulator.bulk.async_request import NAMESPACE
from airflow_sf_dedup.emulator.bulk.csv_files import write_csv
from airflow_sf_dedup.emulator.bulk.saving import error_text
from airflow_sf_dedup.emulator.bulk.soql import Column, Found, cell
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Response
from airflow_sf_dedup.emulator.query.rows import Rows
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.results import RowError, RowResult, Saved
from airflow_sf_dedup.emulator.state.bulk_jobs import Batch, ClassicJob
from airflow_sf_dedup.emulator.state.org import Org

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_DATES = ("createdDate", "systemModstamp")
_NO_RECORDS = "Records not found for this query"


def xml(body: str, status: int = 200, *, rows: int = 0) -> Response:
    return Response(status, f"{_DECLARATION}{body}".encode(), content_type="application/xml", rows=rows)


def refusal(error: ApiError, form: str) -> Response:
    """An error as its caller reads it."""
    said = {"exceptionCode": error.code, "exceptionMessage": error.message}
    if form == "JSON":
        return Response(error.status, said, error.headers)
    answer = xml(_element("error", said, root=True), error.status)
    return Response(answer.status, answer.body, error.headers, answer.content_type)


def one(name: str, said: Mapping[str, Any], form: str, status: int = 200) -> Response:
    """:param said: the properties of a job or a batch."""
    return Response(status, said) if form == "JSON" else xml(_element(name, _as_xml(said), root=True), status)


def batch_list(batches: Iterable[Mapping[str, Any]], form: str) -> Response:
    if form == "JSON":
        return Response(200, {"batchInfo": list(batches)})
    inner = "".join(_element("batchInfo", _as_xml(each)) for each in batches)
    return xml(f'<batchInfoList xmlns="{NAMESPACE}">{inner}</batchInfoList>')


def _as_xml(said: Mapping[str, Any]) -> dict[str, Any]:
    dates = {name: f"{said[name].removesuffix('+0000')}Z" for name in _DATES if name in said}
    return {**said, **dates}


def _element(name: str, said: Mapping[str, Any], *, root: bool = False) -> str:
    inner = "".join(f"<{key}>{_text(value)}</{key}>" for key, value in said.items() if value is not None)
    return f"<{name}{_xmlns(root)}>{inner}</{name}>"


def _xmlns(root: bool) -> str:
    return f' xmlns="{NAMESPACE}"' if root else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(str(value))


def job_info(job: ClassicJob) -> dict[str, Any]:
    states = [batch.progress.shown() for batch in job.batches.values()]
    batches = list(job.batches.values())
    return {
        "id": job.job_id,
        "operation": job.operation,
        "object": job.sobject.name,
        "createdById": job.user_id,
        "createdDate": job.created,
        "systemModstamp": job.modified,
        "state": job.progress.shown(),
        **_of_load(job),
        "concurrencyMode": job.concurrency,
        "contentType": job.content_type,
        "numberBatchesQueued": states.count("Queued"),
        "numberBatchesInProgress": states.count("InProgress"),
        "numberBatchesCompleted": states.count("Completed"),
        "numberBatchesFailed": states.count("Failed"),
        "numberBatchesTotal": len(batches),
        "numberRecordsProcessed": sum(batch.processed for batch in batches),
        "numberRetries": 0,
        "apiVersion": job.version,
        "numberRecordsFailed": sum(batch.failed for batch in batches),
        "totalProcessingTime": sum(batch.timing.total for batch in batches),
        "apiActiveProcessingTime": sum(batch.timing.active for batch in batches),
        "apexProcessingTime": 0,
    }


def _of_load(job: ClassicJob) -> dict[str, Any]:
    if job.load is None:
        return {}
    key = job.load.key
    return {
        "externalIdFieldName": key.name if key else None,
        "assignmentRuleId": job.load.assignment_rule_id,
    }


def batch_info(job: ClassicJob, batch: Batch, state: str) -> dict[str, Any]:
    message = {"stateMessage": batch.message} if batch.message and state == "Failed" else {}
    return {
        "id": batch.batch_id,
        "jobId": job.job_id,
        "state": state,
        **message,
        "createdDate": batch.created,
        "systemModstamp": batch.modified,
        "numberRecordsProcessed": batch.processed,
        "numberRecordsFailed": batch.failed,
        "totalProcessingTime": batch.timing.total,
        "apiActiveProcessingTime": batch.timing.active,
        "apexProcessingTime": 0,
    }


# --- results ----------------------------------------------------------------------------------------------


def results_as_csv(results: Iterable[RowResult]) -> bytes:
    return write_csv(("Id", "Success", "Created", "Error"), map(_csv_row, results))


def _csv_row(result: RowResult) -> tuple[str, ...]:
    if isinstance(result, Saved):
        return result.record_id, "true", _text(result.created), ""
    return result.record_id or "", "false", "false", error_text(result.errors)


def results_as_json(results: Iterable[RowResult]) -> list[dict[str, Any]]:
    return [
        {
            "success": isinstance(result, Saved),
            "created": isinstance(result, Saved) and result.created,
            "id": result.record_id,
            "errors": [] if isinstance(result, Saved) else [_json_error(error) for error in result.errors],
        }
        for result in results
    ]


def _json_error(error: RowError) -> dict[str, Any]:
    return {
        "message": error.message,
        "fields": list(error.fields),
        "statusCode": error.code,
        "extendedErrorDetails": None,
    }


def results_as_xml(results: Iterable[RowResult]) -> str:
    return f'<results xmlns="{NAMESPACE}">{"".join(map(_xml_row, results))}</results>'


def _xml_row(result: RowResult) -> str:
    identity = f"<id>{result.record_id}</id>" if result.record_id else ""
    if isinstance(result, Saved):
        return f"<result>{identity}<success>true</success><created>{_text(result.created)}</created></result>"
    errors = "".join(
        f"<errors>{''.join(f'<fields>{escape(name)}</fields>' for name in error.fields)}"
        f"<message>{escape(error.message)}</message><statusCode>{escape(error.code)}</statusCode></errors>"
        for error in result.errors
    )
    return f"<result>{errors}{identity}<success>false</success><created>false</created></result>"


# --- what a query found -----------------------------------------------------------------------------------


def found_as_csv(found: Found) -> bytes:
    if not found.rows:
        return _NO_RECORDS.encode()
    return write_csv(found.header, found.rows)


def found_as_json(org: Org, root: str, found: Found) -> list[dict[str, Any]]:
    write = Rows(org, root).writer(found.answer.columns, found.answer.sobject.name)
    return [write(record) for record in found.answer.records]


def found_as_xml(found: Found) -> str:
    name = found.answer.sobject.name
    records = "".join(
        f'<records xsi:type="sObject"><type>{name}</type>{_columns(found.columns, record)}</records>'
        for record in found.answer.records
    )
    return f'<queryResult xmlns="{NAMESPACE}" xmlns:xsi="{_XSI}">{records}</queryResult>'


def _columns(columns: Iterable[Column], record: Record) -> str:
    """The fields of a parent are nested in its relationship."""
    written = ""
    for column in columns:
        value = column.get(record)
        name = column.names[-1]
        text = f'<{name} xsi:nil="true"/>' if value is None else f"<{name}>{_cell(column, value)}</{name}>"
        for relationship in reversed(column.names[:-1]):
            text = f'<{relationship} xsi:type="sObject">{text}</{relationship}>'
        written += text
    return written


def _cell(column: Column, value: Any) -> str:
    return escape(cell(column.field.kind, value))
