from __future__ import annotations

from airflow_sf_dedup.core.records import row_hash


def test_the_hash_does_not_depend_on_the_order_of_fields() -> None:
    assert row_hash({"a": 1, "b": None}) == row_hash({"b": None, "a": 1})


def test_absent_and_null_have_different_hashes() -> None:
    assert row_hash({"a": 1}) != row_hash({"a": 1, "b": None})


def test_the_hash_is_32_hex_digits() -> None:
    assert len(row_hash({"a": "Zoë"})) == 32
