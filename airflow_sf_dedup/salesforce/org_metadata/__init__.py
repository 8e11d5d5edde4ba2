"""Metadata for an org, in the Metadata API's own format: ``sf project deploy start --metadata-dir <this folder>``."""
