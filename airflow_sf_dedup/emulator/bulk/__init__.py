"""Bulk API 2.0 (``/jobs``) and the first Bulk API (``/services/async``)."""
