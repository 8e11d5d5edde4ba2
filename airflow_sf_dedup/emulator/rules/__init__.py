"""Duplicate and matching rules: what they say, and what they find."""
