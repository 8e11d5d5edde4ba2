"""What is there to ask of an org? Its resources by name."""

from __future__ import annotations

from airflow_sf_dedup.emulator.http import Call, Response

_RESOURCES = (
    "composite",
    "jobs",
    "limits",
    "metadata",
    "query",
    "queryAll",
    "sobjects",
)


def resources(call: Call) -> Response:
    """Those of the names that this org answers, and who is asking."""
    found = {name: f"{call.root}/{name}" for name in _RESOURCES if name in call.resources}
    user_id = call.user_id
    return Response(200, {**found, "identity": f"{call.url}/id/{call.org.org_id}/{user_id}"})


def composite_resources(call: Call) -> Response:
    names = ("batch", "sobjects")
    return Response(200, {name: f"{call.root}/composite/{name}" for name in names})
