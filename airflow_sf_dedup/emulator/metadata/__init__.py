"""The Metadata API and the Tooling API, as far as duplicate management goes."""
