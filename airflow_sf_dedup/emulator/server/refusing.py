"""In which shape does a caller hear that the whole request is refused? Each API has its own."""

from __future__ import annotations

from collections.abc import Callable

from airflow_sf_dedup.emulator.bulk import async_shapes
from airflow_sf_dedup.emulator.bulk.async_request import said_format
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Request, Response
from airflow_sf_dedup.emulator.metadata import shapes as metadata_shapes
from airflow_sf_dedup.emulator.rest.shapes import request_error
from airflow_sf_dedup.emulator.soap.shapes import ENTERPRISE, PARTNER, client_fault, fault

Refuse = Callable[[ApiError], Response]

_XML = "text/xml; charset=utf-8"
#: What HTTP refuses, before a SOAP API could have a code for it.
_OF_HTTP = frozenset({"NOT_FOUND", "METHOD_NOT_ALLOWED"})


def refusal_at(request: Request) -> Refuse:
    """How the API that a request is for says what it refuses."""
    lower = tuple(segment.lower() for segment in request.path[:3])
    if lower[:2] == ("services", "soap"):
        return lambda error: Response(error.status, _fault(lower[2:], error), error.headers, _XML)
    if lower[:2] == ("services", "async"):
        form = said_format(request.headers) or "XML"
        return lambda error: async_shapes.refusal(error, form)
    return in_rest


def in_rest(error: ApiError) -> Response:
    return Response(error.status, request_error(error), error.headers)


def _fault(door: tuple[str, ...], error: ApiError) -> bytes:
    of_http = error.code in _OF_HTTP
    if door == ("m",):
        code = "soapenv:Client" if of_http else f"sf:{error.code}"
        return metadata_shapes.fault(code, error.message if of_http else f"{error.code}: {error.message}")
    namespace = ENTERPRISE if door == ("c",) else PARTNER
    return client_fault(namespace, error.message) if of_http else fault(namespace, error.code, error.message)
