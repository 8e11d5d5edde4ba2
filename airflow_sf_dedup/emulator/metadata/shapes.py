"""How the Metadata API shows deployments, retrievals and refusals: as values for JSON, or as elements.

The types of its WSDL list their elements by name, so one sorted mapping serves both.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

from airflow_sf_dedup.emulator.metadata.zip_files import NAMESPACE
from airflow_sf_dedup.emulator.records.values import format_datetime
from airflow_sf_dedup.emulator.state.metadata_jobs import (
    Deployment,
    DeployMessage,
    DeployOptions,
    Retrieval,
    RetrievedFile,
)
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.xml_writing import element

_SOAPENV = "http://schemas.xmlsoap.org/soap/envelope/"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


def envelope(operation: str, results: str) -> bytes:
    return _envelope(f'<{operation}Response xmlns="{NAMESPACE}">{results}</{operation}Response>')


def fault(code: str, message: str) -> bytes:
    """A fault; those of the Metadata API have no detail."""
    return _envelope(
        f"<soapenv:Fault><faultcode>{escape(code)}</faultcode><faultstring>{escape(message)}</faultstring>"
        "</soapenv:Fault>"
    )


def _envelope(body: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<soapenv:Envelope xmlns:soapenv="{_SOAPENV}" xmlns:sf="{NAMESPACE}" xmlns:xsi="{_XSI}">'
        f"<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    ).encode()


def elements(found: Mapping[str, Any]) -> str:
    """A mapping as elements; what is None is left out."""
    return "".join(_elements(name, value) for name, value in found.items() if value is not None)


def _elements(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_elements(name, each) for each in value)
    if isinstance(value, Mapping):
        return f"<{name}>{elements(value)}</{name}>"
    if isinstance(value, datetime):
        value = format_datetime(value).replace("+0000", "Z")
    return element(name, value)


def jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: jsonable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [jsonable(each) for each in value]
    return format_datetime(value) if isinstance(value, datetime) else value


def save_result(full_name: str, errors: Iterable[tuple[str, str]], *, created: bool | None = None) -> str:
    """SaveResult, DeleteResult or (with ``created``) UpsertResult."""
    shown = [{"message": message, "statusCode": code} for code, message in errors]
    result = {"created": created, "errors": shown, "fullName": full_name, "success": not shown}
    return f"<result>{elements(result)}</result>"


# --- deployments ------------------------------------------------------------------------------------------


def deploy_result(org: Org, job: Deployment, *, details: bool) -> dict[str, Any]:
    options, components = job.options, job.components
    status = job.status_at(org.clock())
    return {
        "checkOnly": options.check_only,
        "completedDate": job.completed,
        "createdBy": job.user_id[:15],
        "createdByName": user_name(org, job.user_id),
        "createdDate": job.created,
        "details": _details(job) if details and job.done else None,
        "done": job.done,
        "id": job.job_id,
        "ignoreWarnings": options.ignore_warnings,
        "lastModifiedDate": job.completed or job.created,
        "numberComponentErrors": len([each for each in components if not each.success]),
        "numberComponentsDeployed": len([each for each in components if each.success]),
        "numberComponentsTotal": len(components),
        "numberTestErrors": 0,
        "numberTestsCompleted": 0,
        "numberTestsTotal": 0,
        "rollbackOnError": options.rollback_on_error,
        "runTestsEnabled": options.test_level not in (None, "NoTestRun"),
        "startDate": job.starts if status != "Pending" else None,
        "status": status,
        "success": job.succeeded,
    }


def _details(job: Deployment) -> dict[str, Any]:
    return {
        "componentFailures": [_deploy_message(job, each) for each in job.messages if not each.success],
        "componentSuccesses": [_deploy_message(job, each) for each in job.messages if each.success],
        "runTestResult": {"numFailures": 0, "numTestsRun": 0, "totalTime": 0.0},
    }


def _deploy_message(job: Deployment, message: DeployMessage) -> dict[str, Any]:
    return {
        "changed": message.changed and message.success,
        "componentType": message.kind,
        "created": message.created,
        "createdDate": job.completed,
        "deleted": False,
        "fileName": message.file_name,
        "fullName": message.full_name,
        "id": message.record_id,
        "problem": message.problem,
        "problemType": None if message.success else "Error",
        "success": message.success,
    }


def deploy_options(options: DeployOptions) -> dict[str, Any]:
    return {
        "allowMissingFiles": options.allow_missing_files,
        "autoUpdatePackage": False,
        "checkOnly": options.check_only,
        "ignoreWarnings": options.ignore_warnings,
        "performRetrieve": False,
        "purgeOnDelete": False,
        "rollbackOnError": options.rollback_on_error,
        "runTests": None,
        "singlePackage": options.single_package,
        "testLevel": options.test_level,
    }


# --- retrievals -------------------------------------------------------------------------------------------


def retrieve_result(org: Org, job: Retrieval, *, with_zip: bool) -> str:
    result: dict[str, Any] = {
        "done": job.done,
        "fileProperties": [file_properties(org, each, job.user_id) for each in job.files],
        "id": job.job_id,
        "messages": [{"fileName": name, "problem": problem} for name, problem in job.problems],
        "status": "Succeeded" if job.done else "InProgress",
        "success": job.done,
    }
    packed = base64.b64encode(job.package).decode() if job.done and with_zip else None
    return elements(result) + element("zipFile", packed)


def file_properties(org: Org, file: RetrievedFile, user_id: str) -> dict[str, Any]:
    record = org.record(file.record_id) if file.record_id else None
    created_by = record["CreatedById"] if record else user_id
    modified_by = record["LastModifiedById"] if record else user_id
    return {
        "createdById": created_by,
        "createdByName": user_name(org, created_by),
        "createdDate": (record["CreatedDate"] if record else org.now()).replace("+0000", "Z"),
        "fileName": file.file_name,
        "fullName": file.full_name,
        "id": file.record_id,
        "lastModifiedById": modified_by,
        "lastModifiedByName": user_name(org, modified_by),
        "lastModifiedDate": (record["LastModifiedDate"] if record else org.now()).replace("+0000", "Z"),
        "manageableState": "unmanaged",
        "type": file.kind,
    }


def user_name(org: Org, user_id: str) -> str:
    record = org.record(user_id)
    return str(record["Name"]) if record else ""
