"""The resources of REST."""

from __future__ import annotations

from airflow_sf_dedup.emulator.rest import (
    collections,
    composite,
    limits,
    queries,
    records,
    relationships,
    resources,
    ui_api,
)
from airflow_sf_dedup.emulator.wire.routes import route
from airflow_sf_dedup.emulator.wire.wing import Wing

REST = Wing(
    routes=(
        route("GET", "", resources.resources),
        route("GET", "limits", limits.limits),
        route("GET", "limits/recordCount", limits.record_count),
        route("GET", "query", queries.query),
        route("GET", "queryAll", queries.query_all),
        route("GET", "query/{locator}", queries.more),
        route("GET", "queryAll/{locator}", queries.more),
        route("GET", "sobjects", records.list_sobjects),
        route("GET", "sobjects/{sobject}", records.basic_info),
        route("POST", "sobjects/{sobject}", records.create),
        route("GET", "sobjects/{sobject}/describe", records.describe),
        route("GET", "sobjects/{sobject}/{id}", records.get),
        route("PATCH", "sobjects/{sobject}/{id}", records.update),
        route("DELETE", "sobjects/{sobject}/{id}", records.remove),
        route("POST", "sobjects/{sobject}/Id", records.create_without_key),
        route("GET", "sobjects/{sobject}/{field}/{value}", relationships.get),
        route("PATCH", "sobjects/{sobject}/{field}/{value}", relationships.update),
        route("DELETE", "sobjects/{sobject}/{field}/{value}", relationships.remove),
        route("GET", "composite", resources.composite_resources),
        route("POST", "composite", composite.composite),
        route("POST", "composite/batch", composite.batch, counted=False),
        route("POST", "composite/sobjects", collections.create),
        route("PATCH", "composite/sobjects", collections.update),
        route("DELETE", "composite/sobjects", collections.remove),
        route("PATCH", "composite/sobjects/{sobject}/{field}", collections.upsert),
        route("POST", "composite/sobjects/{sobject}", collections.retrieve_by_body),
        route("GET", "composite/sobjects/{sobject}", collections.retrieve_by_query),
        route("GET", "ui-api/duplicates/{sobject}", ui_api.duplicates_configuration),
        route("POST", "ui-api/predupe", ui_api.predupe),
    ),
)
