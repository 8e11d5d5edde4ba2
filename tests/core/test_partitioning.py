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


@pytest.mark.parametrize("member", REF.to_json())
def test_a_reference_that_lacks_a_member_is_refused_by_its_name(member: str) -> None:
    document = {name: value for name, value in REF.to_json().items() if name != member}
    named = {"load_id": "expected a reference", "version": "version None"}.get(member, f"lacks its member '{member}'")
    with pytest.raises(SettingError, match=named):
        PartitionRef.from_json(document)


@pytest.mark.parametrize("value", [None, True, -1, 1.0, "1", 10**40, float("nan"), [], {}], ids=repr)
@pytest.mark.parametrize("member", ["partition", "partitions", "rows"])
def test_a_count_that_is_none_is_refused_by_its_name(member: str, value: Any) -> None:
    with pytest.raises(SettingError, match=f"'{member}'"):
        PartitionRef.from_json({**REF.to_json(), member: value})


@pytest.mark.parametrize("value", [None, "", 7, b"x", ["x"], "x" * 5000], ids=lambda value: f"{value!r:.8}")
@pytest.mark.parametrize("member", ["path", "checksum", "sobject", "org_id", "salesforce_conn_id"])
def test_a_text_that_is_none_is_refused_by_its_name(member: str, value: Any) -> None:
    with pytest.raises(SettingError, match=f"'{member}'") as refused:
        PartitionRef.from_json({**REF.to_json(), member: value})
    assert len(str(refused.value)) < 300


def test_a_member_that_nobody_knows_is_refused() -> None:
    with pytest.raises(SettingError, match="'policy' that is not known"):
        PartitionRef.from_json({**REF.to_json(), "policy": "skip"})


def test_a_partition_is_one_of_its_partitions() -> None:
    with pytest.raises(SettingError, match="'partition' is 8 of 8"):
        PartitionRef.from_json({**REF.to_json(), "partition": 8})


def test_airflow_says_how_many_partitions_there_may_be() -> None:
    assert check_partitions(2000, most=4096) == 2000
    with pytest.raises(SettingError, match="1 to 4 "):
        check_partitions(5, most=4)
