"""Putting back what a load changed in matched records: look, announce, write, remember."""
