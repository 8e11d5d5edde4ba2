"""The SOAP API: one envelope in, results or a fault out. What the calls do is in the modules of their kind."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Response
from airflow_sf_dedup.emulator.records.drafts import MalformedText
from airflow_sf_dedup.emulator.soap import describing as soap_describing
from airflow_sf_dedup.emulator.soap import merging as soap_merging
from airflow_sf_dedup.emulator.soap import reading as soap_reading
from airflow_sf_dedup.emulator.soap import saving as soap_saving
from airflow_sf_dedup.emulator.soap import sessions as soap_sessions
from airflow_sf_dedup.emulator.soap import shapes
from airflow_sf_dedup.emulator.soap.context import Answer, Context, Operation
from airflow_sf_dedup.emulator.soap.partner_wsdl import parameters
from airflow_sf_dedup.emulator.state.in_progress import current
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.wire.soap_calls import (
    CONTENT_TYPE,
    SoapCall,
    SoapClientFault,
    caller,
    check_names,
    read_envelope,
)

OPERATIONS: Mapping[str, Operation] = {
    **soap_sessions.OPERATIONS,
    **soap_saving.OPERATIONS,
    **soap_merging.OPERATIONS,
    **soap_reading.OPERATIONS,
    **soap_describing.OPERATIONS,
}
_DOORS = {shapes.PARTNER: "u", shapes.ENTERPRISE: "c"}


def answer(org: Org, body: bytes, *, namespace: str, version: float, url: str) -> Response:
    """The answer to one SOAP call: 200 with results, or 500 with a fault."""
    try:
        call = read_envelope(body)
        results = _answered(org, call, namespace, version, url)
    except (SoapClientFault, MalformedText) as error:
        return _response(500, shapes.client_fault(namespace, str(error)))
    except ApiError as error:
        return _response(500, shapes.fault(namespace, error.code, error.message), headers=error.headers)
    used, limit = org.accounting.api_calls, org.accounting.daily_limit
    return _response(200, shapes.envelope(namespace, call.operation, results.results, used, limit), results.rows)


def _response(status: int, body: bytes, rows: int = 0, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, body, headers or {}, content_type=CONTENT_TYPE, rows=rows)


def _answered(org: Org, call: SoapCall, namespace: str, version: float, url: str) -> Answer:
    if not org.definition.soap_api:
        raise ApiError("API_DISABLED_FOR_ORG", "API is not enabled for this Organization or Partner")
    if call.operation == "login":
        return soap_sessions.login(org, call, version, url, _DOORS[namespace])
    user_id = caller(org, call)
    operation = OPERATIONS.get(call.operation)
    if operation is None:
        raise SoapClientFault(f"No operation available for request {call.operation}")
    check_names(call.body, parameters(call.operation))
    current().admit()
    org.accounting.count(f"SOAP {call.operation}")
    current().begin()
    return operation(Context(org, call, user_id, version, url, namespace == shapes.ENTERPRISE))
