"""The Partner and the Enterprise API."""
