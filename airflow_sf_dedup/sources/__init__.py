"""Where do records come from? See ``base`` for the form of the answer."""

from airflow_sf_dedup.sources.read import source_of
from airflow_sf_dedup.sources.renamed import RenamedColumns

__all__ = ["RenamedColumns", "source_of"]
