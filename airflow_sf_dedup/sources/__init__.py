"""Where do records come from? See ``base`` for the form of the answer."""

from airflow_sf_dedup.sources.read import source_of

__all__ = ["source_of"]
