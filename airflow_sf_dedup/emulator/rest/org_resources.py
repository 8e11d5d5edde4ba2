"""What an org says about itself and its pages: versions, resources, tabs, theme, apps, recently viewed records."""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.emulator.errors import not_found
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.state.recently_viewed import recently_viewed

VERSIONS = range(20, 68)
_SEASONS = ("Spring", "Summer", "Winter")
#: Spring '11 was version 21; three releases come each year.
_FIRST, _FIRST_YEAR = 21, 2011
_RESOURCES = (
    "appMenu",
    "compactLayouts",
    "composite",
    "jobs",
    "limits",
    "metadata",
    "parameterizedSearch",
    "process",
    "query",
    "queryAll",
    "quickActions",
    "recent",
    "search",
    "sobjects",
    "tabs",
    "theme",
    "tooling",
)
_MOST_RECENT = 200
_MENUS = ("AppSwitcher", "Salesforce1")
_PALETTE = ("236FBD", "56458C", "E67E00", "8E4D9B", "3C97DD", "66895F")


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
    names = ("tree", "batch", "sobjects", "graph")
    return Response(200, {name: f"{call.root}/composite/{name}" for name in names})


def recent(call: Call) -> Response:
    """The records that the caller viewed last; a query says so with FOR VIEW or FOR REFERENCE."""
    wanted = call.request.query.get("limit", "")
    most = min(int(wanted), _MOST_RECENT) if wanted.isdecimal() else _MOST_RECENT
    found = recently_viewed(call.org, call.user_id)[:most]
    return Response(200, [_item(call, record) for record in found], rows=len(found))


def recent_items(call: Call, sobject: Sobject) -> list[dict[str, Any]]:
    return [_item(call, each) for each in recently_viewed(call.org, call.user_id, sobject.name)]


def _item(call: Call, record: dict[str, Any]) -> dict[str, Any]:
    sobject = call.org.schema.by_prefix[record["Id"][:3]]
    named = next((each.name for each in sobject.fields.values() if each.name_field), None)
    shown = {"attributes": {"type": sobject.name, "url": f"{call.root}/sobjects/{sobject.name}/{record['Id']}"}}
    return shown | {"Id": record["Id"], **({named: record.get(named)} if named else {})}


def tabs(call: Call) -> Response:
    return Response(200, [_tab(call, number, each) for number, each in enumerate(_shown_as_tabs(call))])


def _shown_as_tabs(call: Call) -> list[Sobject]:
    return [each for each in call.org.schema if each.createable and each.queryable]


def _tab(call: Call, number: int, sobject: Sobject) -> dict[str, Any]:
    return {
        "colors": _colors(number),
        "custom": sobject.custom,
        "iconUrl": _icons(call, sobject)[0]["url"],
        "icons": _icons(call, sobject),
        "label": sobject.label_plural,
        "miniIconUrl": f"{call.url}/img/icon/t4v35/standard/{sobject.name.lower()}_16.png",
        "name": sobject.name if sobject.custom else f"standard-{sobject.name}",
        "sobjectName": sobject.name,
        "timeStyle": None,
        "url": f"{call.url}/{sobject.key_prefix}/o",
    }


def theme(call: Call) -> Response:
    items = [
        {"colors": _colors(number), "icons": _icons(call, each), "name": each.name}
        for number, each in enumerate(_shown_as_tabs(call))
    ]
    return Response(200, {"themeItems": items})


def _colors(number: int) -> list[dict[str, str]]:
    return [{"color": _PALETTE[number % len(_PALETTE)], "context": "primary", "theme": "theme4"}]


def _icons(call: Call, sobject: Sobject) -> list[dict[str, Any]]:
    folder = "custom" if sobject.custom else "standard"
    url = f"{call.url}/img/icon/t4v35/{folder}/{sobject.name.lower()}_60.png"
    return [{"contentType": "image/png", "height": 60, "theme": "theme4", "url": url, "width": 60}]


def app_menus(call: Call) -> Response:
    return Response(200, {name: f"{call.root}/appMenu/{name}" for name in _MENUS})


def app_menu(call: Call, kind: str) -> Response:
    """No app but the org itself is installed."""
    if kind.lower() not in [each.lower() for each in _MENUS]:
        raise not_found()
    return Response(200, {"appMenuItems": []})
