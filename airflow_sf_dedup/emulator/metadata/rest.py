"""``/metadata/deployRequest``: deployments by REST."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.metadata import shapes
from airflow_sf_dedup.emulator.metadata.api import found_deployment
from airflow_sf_dedup.emulator.metadata.deploying import cancel, start_deployment
from airflow_sf_dedup.emulator.state.metadata_jobs import Deployment, DeployOptions

_NAME = re.compile(rb'(?i)content-disposition:[^\r\n]*?\bname="?([^";\r\n]+)"?')
_BOUNDARY = re.compile(r'(?i)boundary="?([^";]+)"?')
_FLAGS = {
    "checkOnly": "check_only",
    "ignoreWarnings": "ignore_warnings",
    "rollbackOnError": "rollback_on_error",
    "singlePackage": "single_package",
    "allowMissingFiles": "allow_missing_files",
}


def deploy(call: Call) -> Response:
    parts = _parts(call.request.body, call.request.headers.get("content-type", ""))
    package = parts.get("file")
    if package is None:
        raise ApiError("MISSING_ARGUMENT", "The request has no part 'file'")
    options = _options(parts.get("entity_content", parts.get("json", b"{}")))
    job = start_deployment(call.org, package, options, call.user_id)
    return Response(201, _shown(call, job, details=False))


def status(call: Call, job_id: str) -> Response:
    details = call.request.query.get("includeDetails", "").lower() == "true"
    return Response(200, _shown(call, _found(call, job_id), details=details))


def change(call: Call, job_id: str) -> Response:
    """Cancels a deployment: all that can be changed of one."""
    wanted = call.request.json_object().get("deployResult")
    if not isinstance(wanted, dict) or wanted.get("status") != "Canceling":
        raise ApiError("INVALID_FIELD", "A deployment can only be changed to the status Canceling")
    job = _found(call, job_id)
    with call.org.lock:
        cancel(call.org, job)
    return Response(202, _shown(call, job, details=False))


def _found(call: Call, job_id: str) -> Deployment:
    try:
        return found_deployment(call.org, job_id)
    except ApiError as error:
        raise ApiError(error.code, error.message, status=404) from None


def _shown(call: Call, job: Deployment, *, details: bool) -> dict[str, Any]:
    result = shapes.deploy_result(call.org, job, details=details)
    return {
        "id": job.job_id,
        "url": f"{call.root}/metadata/deployRequest/{job.job_id}",
        "validatedDeployRequestId": None,
        "deployOptions": shapes.deploy_options(job.options),
        "deployResult": shapes.jsonable(result),
    }


def _parts(body: Any, content_type: str) -> dict[str, bytes]:
    """The parts of a multipart body, by name.

    :raises ApiError: it has none.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None or not isinstance(body, bytes):
        raise ApiError("INVALID_MULTIPART_REQUEST", "The multipart request has no boundary")
    parts: dict[str, bytes] = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode("utf-8", "replace"))[1:]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if name:
            parts[name[1].decode("utf-8", "replace")] = content
    return parts


def _options(content: bytes) -> DeployOptions:
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError("JSON_PARSER_ERROR", f"Unexpected character: {error} at [line:1, column:1]") from None
    given = found.get("deployOptions", found) if isinstance(found, dict) else None
    if not isinstance(given, dict):
        raise ApiError("JSON_PARSER_ERROR", "deployOptions should be an object")
    flags = {ours: given[theirs] for theirs, ours in _FLAGS.items() if given.get(theirs) is not None}
    wrong = [name for name, value in flags.items() if not isinstance(value, bool)]
    if wrong:
        raise ApiError("JSON_PARSER_ERROR", f"deployOptions: {wrong[0]} should be true or false")
    level = given.get("testLevel")
    return DeployOptions(**flags, test_level=level if isinstance(level, str) else None)
