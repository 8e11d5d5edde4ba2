"""The REST API but for bulk jobs and metadata."""
