"""The Metadata API by SOAP and by REST."""

from __future__ import annotations

from airflow_sf_dedup.emulator.call_names import Identity
from airflow_sf_dedup.emulator.errors import OF_HTTP, ApiError
from airflow_sf_dedup.emulator.http import Request, Response
from airflow_sf_dedup.emulator.metadata import api, rest, shapes
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.wire.routes import route
from airflow_sf_dedup.emulator.wire.soap_calls import CONTENT_TYPE, identity_of, version_of
from airflow_sf_dedup.emulator.wire.wing import Door, Wing


def _answer(org: Org, request: Request, url: str) -> Response:
    return api.answer(org, request.body, version=version_of(request))


def _identify(request: Request) -> Identity:
    return identity_of(request, "Metadata")


def _refuse(request: Request, error: ApiError) -> Response:
    if error.code in OF_HTTP:
        fault = shapes.fault("soapenv:Client", error.message)
    else:
        fault = shapes.fault(f"sf:{error.code}", f"{error.code}: {error.message}")
    return Response(error.status, fault, error.headers, CONTENT_TYPE)


METADATA = Wing(
    doors=(Door(("services", "soap", "m"), _answer, _identify, _refuse),),
    routes=(
        route("POST", "metadata/deployRequest", rest.deploy, any_media_type=True),
        route("GET", "metadata/deployRequest/{id}", rest.status, any_media_type=True),
        route("PATCH", "metadata/deployRequest/{id}", rest.change, any_media_type=True),
    ),
)
