from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.partitioning import PartitionRef, check_partitions, partition_of
from airflow_sf_dedup.errors import SettingError

REF = PartitionRef("load", 0, 8, 17, "/staging/load/part-00000.ndjson", "00", "Lead", "Key__c", "00D", "sf")


@given(key=st.text(), partitions=st.integers(1, 1024))
def test_a_key_has_one_partition(key: str, partitions: int) -> None:
    assert partition_of(key, partitions) == partition_of(key, partitions)
    assert 0 <= partition_of(key, partitions) < partitions


def test_a_keys_partition_never_changes_between_releases() -> None:
    assert [partition_of(key, 8) for key in ("a-1", "straße", "10")] == [2, 1, 4]


def test_keys_spread_evenly() -> None:
    counts = Counter(partition_of(f"key-{number}", 8) for number in range(8000))
    assert all(850 < counts[partition] < 1150 for partition in range(8))


@pytest.mark.parametrize("partitions", [0, -1, 1025, 1.5, "8", True, None], ids=repr)
def test_unusable_numbers_of_partitions_name_the_limit(partitions: Any) -> None:
    with pytest.raises(SettingError, match="1 to 1024") as refused:
        check_partitions(partitions)
    assert refused.value.setting == "partitions"


def test_a_reference_survives_json() -> None:
    assert PartitionRef.from_json(json.loads(json.dumps(REF.to_json()))) == REF


@pytest.mark.parametrize("document", [{}, None, "x", [1], {**REF.to_json(), "version": 99}], ids=repr)
def test_what_is_no_reference_is_refused_by_name(document: Any) -> None:
    with pytest.raises(SettingError) as refused:
        PartitionRef.from_json(document)
    assert refused.value.setting == "partition"
