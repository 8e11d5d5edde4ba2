from __future__ import annotations

import pytest

from airflow_sf_dedup.core.record_ids import is_record_id, restored, to_18


@pytest.mark.parametrize("record_id", ["0015c00002Lz9mU", "0015c00002Lz9mUAAR", "0015c00002Lz9mUaar"])
def test_ids_are_compared_with_their_checksum(record_id: str) -> None:
    assert to_18(record_id) == "0015c00002Lz9mUAAR"


@pytest.mark.parametrize("text", ["", "0015c00002Lz9mUAAA", "0015c00002Lz9m", "0015c00002Lz9m!", "x" * 19])
def test_what_is_no_id_is_told(text: str) -> None:
    assert not is_record_id(text)
    with pytest.raises(ValueError, match="is not a Salesforce record id"):
        to_18(text)


@pytest.mark.parametrize(
    "text", ["0015c00002Lz9mU", " 0015c00002Lz9mUAAR ", "0015c00002lz9muaar", "0015C00002LZ9MUAAR"], ids=str
)
def test_an_id_that_lost_its_case_has_it_back(text: str) -> None:
    assert restored(text) == "0015c00002Lz9mUAAR"


@pytest.mark.parametrize("text", ["", "A-1", "0015c00002Lz9mUAAA", "0015c00002lz9mUAAR", "9" * 18])
def test_what_is_no_id_in_any_case_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is not a Salesforce record id"):
        restored(text)
