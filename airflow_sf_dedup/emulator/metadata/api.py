"""The calls of the Metadata API by which a client finds, reads and switches duplicate and matching rules."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Response
from airflow_sf_dedup.emulator.metadata import shapes
from airflow_sf_dedup.emulator.metadata.deploying import cancel, change_rules, start_deployment, start_retrieval
from airflow_sf_dedup.emulator.metadata.rule_changes import KINDS, MATCHING_RULE, Kind, record_id_of
from airflow_sf_dedup.emulator.metadata.rule_elements import NIL_FILTER, NIL_MAPPING, MetadataProblem, missing_component
from airflow_sf_dedup.emulator.metadata.zip_files import members_of
from airflow_sf_dedup.emulator.rules.book import RuleBook
from airflow_sf_dedup.emulator.state.in_progress import current
from airflow_sf_dedup.emulator.state.metadata_jobs import Deployment, DeployOptions, RetrievedFile
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.wire.soap_calls import CONTENT_TYPE, SoapCall, SoapClientFault, caller, read_envelope
from airflow_sf_dedup.emulator.xml_reading import children, flag, local, text, text_of, texts

_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_MOST_COMPONENTS = 10
_MOST_QUERIES = 3
_ROLLED_BACK = (
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)


@dataclass(frozen=True, slots=True)
class Context:
    org: Org
    call: SoapCall
    user_id: str
    version: str


def answer(org: Org, body: bytes, *, version: str) -> Response:
    """The answer to one call: 200 with results, or 500 with a fault."""
    try:
        call = read_envelope(body)
        results = _call(org, call, version)
    except SoapClientFault as error:
        return _response(500, shapes.fault("soapenv:Client", str(error)))
    except ApiError as error:
        message = f"{error.code}: {error.message}"
        return Response(500, shapes.fault(f"sf:{error.code}", message), error.headers, CONTENT_TYPE)
    return _response(200, shapes.envelope(call.operation, results))


def _response(status: int, body: bytes) -> Response:
    return Response(status, body, content_type=CONTENT_TYPE)


def _call(org: Org, call: SoapCall, version: str) -> str:
    user_id = caller(org, call)
    operation = OPERATIONS.get(call.operation)
    if operation is None:
        raise SoapClientFault(f"No operation available for request {call.operation}")
    current().admit()
    org.accounting.count(f"Metadata {call.operation}")
    current().begin()
    with org.lock:
        return operation(Context(org, call, user_id, version))


# --- what there is ----------------------------------------------------------------------------------------


def _describe(context: Context) -> str:
    kinds = [
        {
            "childXmlNames": [kind.child] if kind.child else [],
            "directoryName": kind.directory,
            "inFolder": False,
            "metaFile": False,
            "suffix": kind.suffix,
            "xmlName": kind.name,
        }
        for kind in KINDS.values()
        if kind.name != MATCHING_RULE
    ]
    result = {
        "metadataObjects": kinds,
        "organizationNamespace": "",
        "partialSaveAllowed": True,
        "testRequired": False,
    }
    return f"<result>{shapes.elements(result)}</result>"


def _list(context: Context) -> str:
    queries = children(context.call.body, "queries")
    if len(queries) > _MOST_QUERIES:
        raise ApiError("EXCEEDED_ID_LIMIT", f"listMetadata takes at most {_MOST_QUERIES} queries")
    org = context.org
    found: list[dict[str, Any]] = []
    for query in queries:
        name = text(query, "type") or ""
        found += [shapes.file_properties(org, file, org.default_user.user_id) for file in _files(org, _kind(name))]
    return "".join(f"<result>{shapes.elements(each)}</result>" for each in found)


def _files(org: Org, kind: Kind) -> Iterator[RetrievedFile]:
    for full_name in kind.names(org.rules.book):
        record_id = record_id_of(org.rules.book, kind.name, full_name)
        yield RetrievedFile(kind.file_name(full_name), full_name, kind.name, record_id)


def _kind(name: str) -> Kind:
    kind = KINDS.get(name)
    if kind is None:
        raise ApiError("INVALID_TYPE", f"Unknown type: {name}")
    return kind


def _read(context: Context) -> str:
    body = context.call.body
    type_name = text(body, "type") or text(body, "metadataType") or ""
    names = _limited(texts(body, "fullNames"))
    kind = _kind(type_name)
    book = context.org.rules.book
    records = (
        f'<records xsi:type="{kind.name}"><fullName>{name}</fullName>'
        f"{_as_read(context, kind.xml(book, name))}</records>"
        if kind.has(book, name)
        else '<records xsi:nil="true"/>'
        for name in names
    )
    return f"<result>{''.join(records)}</result>"


def _as_read(context: Context, content: str) -> str:
    if context.org.quirks.read_metadata_shows_nil:
        return content
    return content.replace(NIL_MAPPING, "").replace(NIL_FILTER, "")


def _limited(components: list[Any]) -> list[Any]:
    if len(components) > _MOST_COMPONENTS:
        message = f"record limit reached. cannot submit more than {_MOST_COMPONENTS} records into this call"
        raise ApiError("EXCEEDED_ID_LIMIT", message)
    return components


# --- changing components ----------------------------------------------------------------------------------


#: The book with a component changed; whether it was created.
Attempt = Callable[[RuleBook], tuple[RuleBook, bool]]


def _update(context: Context) -> str:
    return _save(context, may_create=False)


def _upsert(context: Context) -> str:
    return _save(context, may_create=True)


def _save(context: Context, *, may_create: bool) -> str:
    """:param may_create: a component need not be there already."""
    attempts = [
        (text(each, "fullName") or "", _saving(context, each, may_create=may_create)) for each in _components(context)
    ]
    return _attempt_all(context, attempts, shows_created=may_create)


def _components(context: Context) -> list[Element]:
    components = _limited([each for each in context.call.body if local(each) in ("metadata", "Metadata")])
    if len({_type_of(each) for each in components}) > 1:
        raise ApiError("INVALID_TYPE", "All components of a call have to be of one type")
    return components


def _type_of(component: Element) -> str:
    return component.get(_TYPE, "").rpartition(":")[2]


def _saving(context: Context, component: Element, *, may_create: bool) -> Attempt:
    name = _type_of(component)
    if not name:
        raise SoapClientFault("metadata has no xsi:type")
    kind = _kind(name)
    full_name = text(component, "fullName") or ""

    def attempt(book: RuleBook) -> tuple[RuleBook, bool]:
        there = kind.has(book, full_name)
        if not full_name:
            raise MetadataProblem("REQUIRED_FIELD_MISSING", "Required field is missing: fullName")
        if not (there or may_create):
            raise missing_component(kind.name, full_name)
        return kind.save(book, context.org.schema, full_name, component)[0], not there

    return attempt


def _attempt_all(context: Context, attempts: list[tuple[str, Attempt]], *, shows_created: bool) -> str:
    """Carries out what can be; with AllOrNoneHeader all or nothing."""
    org = context.org
    book = org.rules.book
    outcomes: list[tuple[str, tuple[str, str] | None, bool]] = []
    for full_name, attempt in attempts:
        try:
            book, created = attempt(book)
            outcomes.append((full_name, None, created))
        except MetadataProblem as problem:
            outcomes.append((full_name, (problem.code, problem.message), False))
    if context.call.flag("AllOrNoneHeader", "allOrNone") and any(error for _, error, _ in outcomes):
        book = org.rules.book
        outcomes = [(full_name, error or _ROLLED_BACK, False) for full_name, error, _ in outcomes]
    if book is not org.rules.book:
        change_rules(org, book)
    return "".join(
        shapes.save_result(full_name, [error] if error else [], created=created if shows_created else None)
        for full_name, error, created in outcomes
    )


# --- deploy and retrieve ----------------------------------------------------------------------------------


def _deploy(context: Context) -> str:
    body = context.call.body
    packed = next((text_of(each) for each in body if local(each).lower() == "zipfile"), "")
    options = next((each for each in body if local(each).lower() == "deployoptions"), body)
    try:
        package = base64.b64decode("".join(packed.split()), validate=True)
    except (binascii.Error, ValueError):
        raise SoapClientFault("ZipFile is no base64") from None
    job = start_deployment(context.org, package, read_options(options), context.user_id)
    return f"<result>{_async_result(job.job_id)}</result>"


def read_options(found: Element) -> DeployOptions:
    return DeployOptions(
        check_only=flag(found, "checkOnly"),
        ignore_warnings=flag(found, "ignoreWarnings"),
        rollback_on_error=flag(found, "rollbackOnError", default=True),
        single_package=flag(found, "singlePackage"),
        allow_missing_files=flag(found, "allowMissingFiles"),
        test_level=text(found, "testLevel"),
    )


def _async_result(job_id: str) -> str:
    return shapes.elements({"done": False, "id": job_id, "state": "Queued"})


def _deployment(context: Context, name: str) -> Deployment:
    return found_deployment(context.org, text(context.call.body, name))


def found_deployment(org: Org, given: str | None) -> Deployment:
    """:raises ApiError: there is no such deployment."""
    found = org.metadata_jobs.deployment(_full_id(given))
    if found is None:
        raise ApiError("INVALID_CROSS_REFERENCE_KEY", f"invalid cross reference id: {given or ''}")
    return found


def _full_id(given: str | None) -> str:
    try:
        return to_18((given or "").strip())
    except ValueError:
        raise ApiError("INVALID_ID_FIELD", f"'{given or ''}' is no valid asyncProcessId") from None


def _check_deploy_status(context: Context) -> str:
    job = _deployment(context, "asyncProcessId")
    details = flag(context.call.body, "includeDetails")
    result = shapes.deploy_result(context.org, job, details=details)
    return f"<result>{shapes.elements(result)}</result>"


def _cancel_deploy(context: Context) -> str:
    job = _deployment(context, "String" if text(context.call.body, "String") else "asyncProcessId")
    cancel(context.org, job)
    return f"<result>{shapes.elements({'done': job.done, 'id': job.job_id})}</result>"


def _retrieve(context: Context) -> str:
    request = next((each for each in context.call.body if len(each)), context.call.body)
    unpackaged = next(iter(children(request, "unpackaged")), None)
    wanted = members_of(unpackaged) if unpackaged is not None else {}
    if not wanted:
        raise ApiError("INVALID_TYPE", "retrieve: only components of an unpackaged manifest can be retrieved")
    job = start_retrieval(
        context.org,
        wanted,
        single_package=flag(request, "singlePackage"),
        version=text(request, "apiVersion") or context.version,
        user_id=context.user_id,
    )
    return f"<result>{_async_result(job.job_id)}</result>"


def _check_retrieve_status(context: Context) -> str:
    body = context.call.body
    given = text(body, "asyncProcessId")
    job = context.org.metadata_jobs.retrieval(_full_id(given))
    if job is None:
        raise ApiError("INVALID_CROSS_REFERENCE_KEY", f"invalid cross reference id: {given or ''}")
    with_zip = flag(body, "includeZip", default=True)
    return f"<result>{shapes.retrieve_result(context.org, job, with_zip=with_zip)}</result>"


OPERATIONS: dict[str, Callable[[Context], str]] = {
    "describeMetadata": _describe,
    "listMetadata": _list,
    "readMetadata": _read,
    "updateMetadata": _update,
    "upsertMetadata": _upsert,
    "deploy": _deploy,
    "checkDeployStatus": _check_deploy_status,
    "cancelDeploy": _cancel_deploy,
    "retrieve": _retrieve,
    "checkRetrieveStatus": _check_retrieve_status,
}
