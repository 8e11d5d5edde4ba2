"""Which APIs does the org have? Without its line here, an API is not there."""

from __future__ import annotations

from airflow_sf_dedup.emulator.bulk.wing import BULK
from airflow_sf_dedup.emulator.metadata.wing import METADATA
from airflow_sf_dedup.emulator.oauth.wing import OAUTH
from airflow_sf_dedup.emulator.rest.wing import REST
from airflow_sf_dedup.emulator.soap.wing import SOAP

WINGS = (
    BULK,
    METADATA,
    OAUTH,
    REST,
    SOAP,
)
