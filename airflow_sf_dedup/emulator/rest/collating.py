"""Which subrequests of /composite does Salesforce turn into one save?

``collateSubrequests`` (the default since v49) bulkifies neighbours with one method on one sObject, unless they carry
headers. Their rows are then rows of one save call: blind to each other, and refused when they share a key.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from airflow_sf_dedup.emulator.errors import ApiError, MalformedValue
from airflow_sf_dedup.emulator.http import Call, Request, Response, read_url
from airflow_sf_dedup.emulator.records.drafts import Draft
from airflow_sf_dedup.emulator.records.schema import Field
from airflow_sf_dedup.emulator.rest import records as rest
from airflow_sf_dedup.emulator.rest.headers import save_options
from airflow_sf_dedup.emulator.rest.subrequests import Subrequest
from airflow_sf_dedup.emulator.saving.saving import save
from airflow_sf_dedup.emulator.saving.targets import Upsert
from airflow_sf_dedup.emulator.wire.json_shapes import refused

Kind = tuple[str, ...]


def neighbours(subrequests: list[Subrequest]) -> Iterable[list[Subrequest]]:
    """The subrequests in runs; those of a run longer than one can be saved together."""
    numbered = enumerate(subrequests)
    for _, run in groupby(numbered, key=lambda pair: _kind(pair[1]) or (str(pair[0]),)):
        yield [subrequest for _, subrequest in run]


def _kind(subrequest: Subrequest) -> Kind | None:
    """What has to be equal for two upserts to be saved together; None if this one stands alone."""
    path, query = read_url(subrequest.url)
    lower = tuple(segment.lower() for segment in path)
    upsert = subrequest.method == "PATCH" and len(path) == 7 and lower[3] == "sobjects" and lower[5] != "id"
    if not upsert or query or subrequest.headers or "@{" in repr((subrequest.url, subrequest.body)):
        return None
    return lower[:6]


def upsert_together(call: Call, run: list[Subrequest]) -> list[Response]:
    """One save for a run of upserts by one key field; an answer for each."""
    calls = [_inner(call, subrequest) for subrequest in run]
    read = [_read(each) for each in calls]
    readable = [each for each in read if not isinstance(each, Response)]
    if not readable:
        return [each for each in read if isinstance(each, Response)]
    drafts = [draft for draft, _ in readable]
    results = iter(save(call.org, drafts, Upsert(readable[0][1]), save_options(calls[0])))
    return [
        each if isinstance(each, Response) else rest.answered(inner, next(results), created_key=True)
        for inner, each in zip(calls, read, strict=True)
    ]


def _inner(call: Call, subrequest: Subrequest) -> Call:
    path, query = read_url(subrequest.url)
    body = b"" if subrequest.body is None else subrequest.body
    request = Request(subrequest.method, path, query, subrequest.headers, body)
    return Call(call.org, request, path[2], call.user_id, call.send, inner=True)


def _read(call: Call) -> tuple[Draft, Field] | Response:
    try:
        return rest.upsert_draft(call, *call.request.path[4:7])
    except MalformedValue as error:
        return refused(call.request.locate(error))
    except ApiError as error:
        return refused(error)
