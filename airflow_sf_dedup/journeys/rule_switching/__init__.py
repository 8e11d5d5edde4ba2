"""Switching duplicate rules off around a load, and surely on again."""
