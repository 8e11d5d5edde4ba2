"""What is there to ask of an org: its API versions and its resources."""

from __future__ import annotations

from airflow_sf_dedup.emulator.http import Call, Response

VERSIONS = range(20, 68)
_SEASONS = ("Spring", "Summer", "Winter")
#: Spring '11 was version 21; three releases come each year.
_FIRST, _FIRST_YEAR = 21, 2011
_RESOURCES = (
    "composite",
    "jobs",
    "limits",
    "metadata",
    "query",
    "queryAll",
    "sobjects",
    "tooling",
)


def versions() -> list[dict[str, str]]:
    return [
        {"label": _release(number), "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
        for number in VERSIONS
    ]


def _release(number: int) -> str:
    """Winter comes first: Winter '12 is version 23, in the autumn of 2011."""
    years, season = divmod(number - _FIRST, len(_SEASONS))
    year = _FIRST_YEAR + years + (_SEASONS[season] == "Winter")
    return f"{_SEASONS[season]} '{year % 100:02d}"


def resources(call: Call) -> Response:
    """Those of the names that this org answers, and who is asking."""
    found = {name: f"{call.root}/{name}" for name in _RESOURCES if call.answers(name)}
    user_id = call.user_id
    return Response(200, {**found, "identity": f"{call.url}/id/{call.org.org_id}/{user_id}"})


def composite_resources(call: Call) -> Response:
    names = ("batch", "sobjects")
    return Response(200, {name: f"{call.root}/composite/{name}" for name in names})
