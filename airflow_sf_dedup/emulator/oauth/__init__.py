"""``/services/oauth2``."""
