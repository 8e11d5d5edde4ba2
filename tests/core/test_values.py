from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.sobjects import Field
from airflow_sf_dedup.core.values import MalformedValue, ParentName, read_parent, to_wire


class Colour(Enum):
    RED = "red"


def field(kind: str) -> Field:
    return Field("F__c", "F", kind, scale=3)


PLUS_TWO = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("kind", "value", "wire"),
    [
        ("string", "  kept as it is ", "  kept as it is "),
        ("string", "", ""),
        ("string", 1, "1"),
        ("string", 1.0, "1"),
        ("string", 0.1, "0.1"),
        ("phone", 491701234567.0, "491701234567"),
        ("string", Decimal("1.50"), "1.50"),
        ("string", 1e-7, "0.0000001"),
        ("string", 5e-324, f"{Decimal('5e-324'):f}"),
        ("string", Decimal("1e-350"), f"0.{'0' * 349}1"),
        ("string", Decimal("0E+99999999"), "0"),
        ("string", True, "true"),
        ("string", UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("string", Colour.RED, "red"),
        ("string", date(2026, 1, 2), "2026-01-02"),
        ("textarea", "x" * 4_000_000, "x" * 4_000_000),
        ("multipicklist", ["a", "b"], "a;b"),
        ("multipicklist", "a;b", "a;b"),
        ("date", date(2026, 1, 2), "2026-01-02"),
        ("date", datetime(2026, 1, 2), "2026-01-02"),
        ("date", " 2026-01-02 ", "2026-01-02"),
        ("date", "2026-01-02T10:00:00Z", "2026-01-02"),
        ("date", "1985-03-04Z", "1985-03-04"),
        ("date", "2026-01-02+02:00", "2026-01-02"),
        ("date", "2026-01-02T23:30:00-05:00", "2026-01-02"),
        ("date", "20260102", "2026-01-02"),
        ("date", "", None),
        ("datetime", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z"),
        ("datetime", "2026-01-02T03:04:05.678+0000", "2026-01-02T03:04:05.678Z"),
        ("datetime", "2026-01-02 03:04:05+02:00", "2026-01-02T01:04:05.000Z"),
        ("datetime", "2026-01-02", "2026-01-02T00:00:00.000Z"),
        ("datetime", "2026-01-02Z", "2026-01-02T00:00:00.000Z"),
        ("datetime", "2026-01-02+02:00", "2026-01-01T22:00:00.000Z"),
        ("datetime", "2026-01-02 03:04:05 UTC", "2026-01-02T03:04:05.000Z"),
        ("datetime", "2026-01-02 03:04:05.678901 UTC", "2026-01-02T03:04:05.678Z"),
        ("datetime", "20260102T030405Z", "2026-01-02T03:04:05.000Z"),
        ("datetime", date(2026, 1, 2), "2026-01-02T00:00:00.000Z"),
        ("datetime", datetime(2026, 1, 2, 3), "2026-01-02T03:00:00.000Z"),
        ("datetime", datetime(2026, 1, 2, 3, tzinfo=PLUS_TWO), "2026-01-02T01:00:00.000Z"),
        ("datetime", datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00.000Z"),
        ("time", time(3, 4), "03:04:00.000Z"),
        ("time", "03:04:05.5Z", "03:04:05.500Z"),
        ("time", time(3, 4, tzinfo=UTC), "03:04:00.000Z"),
        ("boolean", True, True),
        ("boolean", "TRUE", True),
        ("boolean", " false ", False),
        ("boolean", "1", True),
        ("boolean", 0, False),
        ("boolean", 1.0, True),
        ("boolean", "", False),
        ("boolean", "  ", False),
        ("boolean", None, False),
        ("boolean", math.nan, False),
        ("boolean", Decimal("NaN"), False),
        ("base64", "QUI=", "QUI="),
        ("base64", b"AB", "QUI="),
        ("base64", None, None),
        ("int", str(2**31 - 1), 2**31 - 1),
        ("int", -(2**31), -(2**31)),
        ("long", 2**31, 2**31),
        ("reference", "0015g00000Xgxd8", "0015g00000Xgxd8AAB"),
        ("reference", " 0015g00000Xgxd8AAB ", "0015g00000Xgxd8AAB"),
        ("reference", "0015g00000xgxd8aab", "0015g00000Xgxd8AAB"),
        ("reference", "0015G00000XGXD8AAB", "0015g00000Xgxd8AAB"),
        ("reference", "", None),
        ("reference", None, None),
        ("double", " 1.50 ", 1.5),
        ("double", "1.0", 1),
        ("double", "-1e3", -1000),
        ("double", ".5", 0.5),
        ("currency", Decimal("0.10"), 0.1),
        ("percent", 12.5, 12.5),
        ("double", "123456789012345678", 123456789012345678),
        ("double", Decimal("0E-9999"), 0),
        ("double", "1234567890123.45", 1234567890123.45),
        ("double", "0.30000000000000004", 0.30000000000000004),
        ("double", "1234567890123456.00", 1234567890123456),
        ("string", Decimal("1234567890123456.78"), "1234567890123456.78"),
        ("double", "  ", None),
        ("int", "7.0", 7),
        ("long", 7.0, 7),
    ],
)
def test_values_get_the_type_of_their_field(kind: str, value: Any, wire: Any) -> None:
    found = to_wire(field(kind), value)
    assert found == wire
    assert found.__class__ is wire.__class__


@pytest.mark.parametrize(
    "kind", ["string", "double", "int", "date", "datetime", "time", "multipicklist", "reference", "base64"]
)
@pytest.mark.parametrize("value", [None, math.nan, Decimal("NaN")], ids=repr)
def test_nothing_clears_a_field_of_any_type_but_a_checkbox(kind: str, value: Any) -> None:
    assert to_wire(field(kind), value) is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("date", "02.01.2026"),
        ("date", "2026-02-30"),
        ("date", "01/02/2026"),
        ("date", 45000),
        ("date", "2026-01-02 2026"),
        ("date", "2026-W01-5"),
        ("date", "2026-002"),
        ("datetime", "yesterday"),
        ("datetime", "2026-01-02 2026"),
        ("datetime", "2026-01-02x10:30"),
        ("datetime", "2026-01-02T10"),
        ("datetime", "2026-01-02T24:00:00"),
        ("datetime", "2026-01-02T10:00:00+15:00"),
        ("datetime", ["2026-01-02"]),
        ("datetime", 1700000000),
        ("datetime", "0001-01-01T00:00:00+10:00"),
        ("time", "25:00"),
        ("time", "10"),
        ("time", "10:00+02:00"),
        ("time", time(10, tzinfo=PLUS_TWO)),
        ("time", 3),
        ("boolean", "yes"),
        ("boolean", "on"),
        ("boolean", 2),
        ("double", "1,000"),
        ("double", "1 000"),
        ("double", "1.2.3"),
        ("double", "NaN"),
        ("double", math.inf),
        ("double", True),
        ("double", "1" * 19),
        ("double", Decimal("1E+9999")),
        ("currency", Decimal("1234567890123456.78")),
        ("double", date(2026, 1, 2)),
        ("int", "1.5"),
        ("int", 2**31),
        ("int", "-2147483649"),
        ("base64", "not base64!"),
        ("base64", "QUI"),
        ("reference", "A-1"),
        ("reference", "0015g00000Xgxd8AAA"),
        ("reference", "0015g00000Xgxd8AA"),
        ("reference", 15),
        ("reference", {"Id": "0015g00000Xgxd8"}),
        ("string", ["a"]),
        ("string", {"a": 1}),
        ("string", b"a"),
        ("string", 1e20),
        ("string", Decimal("1e-351")),
        ("string", Decimal("-1.5e-99999999")),
        ("string", Decimal("0E-99999999")),
        ("string", Decimal("1e99999999")),
        ("phone", Decimal("1e-99999999")),
        ("multipicklist", [Decimal("1e-99999999")]),
        ("base64", Decimal("1e-99999999")),
        ("string", "a\0b"),
        ("string", "half \ud83d"),
        ("multipicklist", [["a"]]),
        ("date", ["2026-01-02"]),
        ("boolean", {}),
    ],
)
def test_what_a_field_cannot_hold_is_malformed_and_names_the_field(kind: str, value: Any) -> None:
    with pytest.raises(MalformedValue) as refused:
        to_wire(field(kind), value)
    assert refused.value.field_name == "F__c"
    assert str(refused.value).startswith("F__c ")


@pytest.mark.parametrize("kind", ["double", "currency", "percent"])
@pytest.mark.parametrize("value", ["1234567890123456.78", "10662745301669.981"])
def test_decimals_that_json_would_change_are_refused_with_the_reason(kind: str, value: str) -> None:
    with pytest.raises(MalformedValue, match="has more digits than JSON carries exactly") as refused:
        to_wire(field(kind), value)
    assert value not in str(refused.value)


def test_decimals_that_the_field_does_not_keep_may_be_lost() -> None:
    assert to_wire(field("double"), "0.3333333333333333333") == 0.3333333333333333


@given(number=st.decimals(min_value=-(10**17), max_value=10**17, places=3))
def test_a_number_arrives_as_it_was_written_or_not_at_all(number: Decimal) -> None:
    try:
        wire = to_wire(field("double"), str(number))
    except MalformedValue:
        assert len(number.normalize().as_tuple().digits) > 15
        return
    assert Decimal(str(json.loads(json.dumps(wire)))) == number


def test_no_message_repeats_the_value() -> None:
    with pytest.raises(MalformedValue) as refused:
        to_wire(field("date"), "Ada Lovelace")
    assert "Ada" not in str(refused.value)


def test_the_types_of_pandas_are_understood() -> None:
    pandas = pytest.importorskip("pandas")
    moment = pandas.Timestamp("2026-01-02T03:04:05.678901234+02:00")
    assert to_wire(field("datetime"), moment) == "2026-01-02T01:04:05.678Z"
    assert to_wire(field("date"), moment) == "2026-01-02"
    assert [to_wire(field("string"), value) for value in (pandas.NA, pandas.NaT)] == [None, None]
    assert [to_wire(field("boolean"), value) for value in (pandas.NA, pandas.NaT)] == [False, False]


MOMENT = "2026-01-02T03:04:05.678901234"


@pytest.mark.parametrize(
    ("kind", "make", "wire"),
    [
        ("double", lambda np: np.float64(1.5), 1.5),
        ("int", lambda np: np.int64(7), 7),
        ("boolean", lambda np: np.bool_(True), True),
        ("string", lambda np: np.str_("a"), "a"),
        ("string", lambda np: np.array("a"), "a"),
        ("datetime", lambda np: np.datetime64(MOMENT), "2026-01-02T03:04:05.678Z"),
        ("date", lambda np: np.datetime64(MOMENT), "2026-01-02"),
        ("date", lambda np: np.datetime64("NaT"), None),
        ("multipicklist", lambda np: np.array(["a", "b"]), "a;b"),
    ],
)
def test_the_scalars_of_numpy_are_pythons(kind: str, make: Any, wire: Any) -> None:
    found = to_wire(field(kind), make(pytest.importorskip("numpy")))
    assert found == wire
    assert found.__class__ is wire.__class__


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("string", lambda np: np.array(["a"])),
        ("string", lambda np: np.array([1, 2])),
        ("string", lambda np: np.array([])),
        ("double", lambda np: np.array([1.5])),
        ("double", lambda np: np.datetime64(MOMENT)),
        ("double", lambda np: np.timedelta64(5, "ns")),
        ("datetime", lambda np: np.datetime64("20260-01-01", "us")),
        ("boolean", lambda np: np.array([True])),
    ],
)
def test_an_array_is_no_scalar_and_a_time_no_number(kind: str, make: Any) -> None:
    with pytest.raises(MalformedValue):
        to_wire(field(kind), make(pytest.importorskip("numpy")))


@pytest.mark.parametrize(
    "more",
    [{"reference_target": "Code__c"}, {"reference_to": ("Order__x",)}],
    ids=["indirect look-up", "external look-up"],
)
def test_a_look_up_to_another_system_holds_that_systems_keys(more: dict[str, Any]) -> None:
    assert to_wire(Field("F__c", "F", "reference", **more), "A-1") == "A-1"


def test_a_parent_is_named_by_one_field() -> None:
    assert read_parent("Account", {"External_Id__c": "A-1"}) == ParentName("External_Id__c", "A-1")
    assert read_parent("Account", None) is None
    assert read_parent("Account", " ") is None


def test_a_parent_of_several_sobjects_keeps_its_type() -> None:
    parent = {"attributes": {"type": "Contact"}, "Key__c": "A-1"}
    assert read_parent("Who", parent) == ParentName("Key__c", "A-1", "Contact")


@pytest.mark.parametrize(
    "value",
    [
        "Acme",
        {},
        {"A": 1, "B": 2},
        {"attributes": 1, "A": "1"},
        {"attributes": {}, "A": "1"},
        ["A"],
        {"half \ud83d": 1},
    ],
    ids=repr,
)
def test_anything_else_is_no_parent(value: Any) -> None:
    with pytest.raises(MalformedValue):
        read_parent("Account", value)


@given(
    value=st.one_of(
        st.text(), st.integers(), st.floats(), st.decimals(), st.booleans(), st.none(), st.dates(), st.datetimes()
    ),
    kind=st.sampled_from(
        ["string", "double", "int", "date", "datetime", "boolean", "time", "multipicklist", "reference", "base64"]
    ),
)
def test_whatever_comes_is_json_or_malformed(value: Any, kind: str) -> None:
    try:
        wire = to_wire(field(kind), value)
    except MalformedValue:
        return
    json.dumps(wire, allow_nan=False).encode()
