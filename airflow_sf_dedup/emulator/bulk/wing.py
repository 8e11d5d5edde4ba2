"""Bulk API 2.0, and the first Bulk API at a door of its own."""

from __future__ import annotations

from airflow_sf_dedup.emulator.bulk import async_door, ingest, query
from airflow_sf_dedup.emulator.wire.routes import Handler, Route, route
from airflow_sf_dedup.emulator.wire.wing import Door, Wing


def _job(method: str, path: str, handler: Handler) -> Route:
    return route(method, path, handler, any_media_type=True)


BULK = Wing(
    doors=(Door(("services", "async"), async_door.answer, async_door.identify, async_door.refuse),),
    routes=(
        _job("POST", "jobs/ingest", ingest.create),
        _job("GET", "jobs/ingest", ingest.get_all),
        _job("GET", "jobs/ingest/{job}", ingest.get),
        _job("PATCH", "jobs/ingest/{job}", ingest.change),
        _job("DELETE", "jobs/ingest/{job}", ingest.remove),
        _job("PUT", "jobs/ingest/{job}/batches", ingest.upload),
        _job("GET", "jobs/ingest/{job}/successfulResults", ingest.successful),
        _job("GET", "jobs/ingest/{job}/failedResults", ingest.failed),
        _job("GET", "jobs/ingest/{job}/unprocessedrecords", ingest.unprocessed),
        _job("POST", "jobs/query", query.create),
        _job("GET", "jobs/query", query.get_all),
        _job("GET", "jobs/query/{job}", query.get),
        _job("PATCH", "jobs/query/{job}", query.change),
        _job("DELETE", "jobs/query/{job}", query.remove),
        _job("GET", "jobs/query/{job}/results", query.results),
    ),
)
