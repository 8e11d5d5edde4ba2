"""The Metadata API, as far as finding, reading and switching duplicate rules goes."""
