"""A value that cannot be read makes its row invalid, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.sources.base import SourceRow
from airflow_sf_dedup.sources.columns import FieldColumn, ParentColumn, ParentsColumn
from airflow_sf_dedup.sources.reading import OrderReader, RecordReader, Refusal

KEY = Field("Key__c", "Key", "string", length=80, external_id=True, unique=True)
ACCOUNT = Field("AccountId", "Account", "reference", relationship_name="Account", reference_to=("Account",))
COLUMNS = {
    "Key__c": FieldColumn("Key__c", KEY),
    "Name": FieldColumn("Name", Field("Name", "Name", "string")),
    "Amount": FieldColumn("Amount", Field("Amount", "Amount", "double")),
}


class Treacherous:
    """Fails in whatever way it is looked at, and tells a secret."""

    def __eq__(self, other: object) -> bool:
        raise OSError("secret")

    __hash__ = object.__hash__
    __str__ = __repr__ = lambda self: 1 / 0  # type: ignore[assignment]


def numpy_array() -> Any:
    return pytest.importorskip("numpy").array([1, 2])


def pandas_series() -> Any:
    return pytest.importorskip("pandas").Series([1, 2])


VALUES = [numpy_array, pandas_series, Treacherous, lambda: ["a"], lambda: {"a": 1}, lambda: {"a"}, object]


def read(order: OrderReader | None = None, **values: Any) -> Record | Refusal:
    return RecordReader(KeyRule(KEY), COLUMNS, order).read(SourceRow(7, values))


@pytest.mark.parametrize("make", VALUES)
@pytest.mark.parametrize("column", ["Key__c", "Name", "Amount"])
def test_a_value_of_any_kind_is_one_invalid_row(column: str, make: Callable[[], Any]) -> None:
    refused = read(**{"Key__c": "A-1", column: make()})
    assert isinstance(refused, Refusal)
    assert refused.row_number == 7
    assert column in refused.message
    assert "secret" not in refused.message
    assert refused.key == (None if column == "Key__c" else "A-1")


@pytest.mark.parametrize("make", VALUES)
def test_the_column_that_tells_the_order_is_no_exception(make: Callable[[], Any]) -> None:
    order = OrderReader("at", "at")
    refused = read(order, Key__c="A-1", at=make())
    assert isinstance(refused, Refusal)
    assert "column at" in refused.message


def test_what_the_machine_lacks_is_no_fault_of_a_row() -> None:
    class TooLarge:
        def __eq__(self, other: object) -> bool:
            raise MemoryError

        __hash__ = object.__hash__

    with pytest.raises(MemoryError):
        read(Key__c="A-1", Name=TooLarge())


@pytest.mark.parametrize(
    ("kind", "value", "wire"),
    [
        ("string", " A-1 ", "A-1"),
        ("string", 7, "7"),
        ("double", "7.0", 7),
        ("double", 7.5, 7.5),
        ("email", "Ada@Example.com", "Ada@Example.com"),
    ],
)
def test_a_parents_key_gets_the_type_of_the_parents_field(kind: str, value: Any, wire: Any) -> None:
    column = ParentColumn("Account.Ext__c", ACCOUNT, Field("Ext__c", "Ext", kind))
    fields: dict[str, Any] = {}
    column.put(fields, value)
    assert fields == {"Account": {"Ext__c": wire}}
    assert type(fields["Account"]["Ext__c"]) is type(wire)


@pytest.mark.parametrize("value", [None, "", "  ", float("nan")], ids=repr)
def test_no_key_is_no_parent(value: Any) -> None:
    fields: dict[str, Any] = {}
    ParentColumn("Account.Ext__c", ACCOUNT, Field("Ext__c", "Ext", "string")).put(fields, value)
    assert fields == {"AccountId": None}


def test_a_parents_key_that_its_field_cannot_hold_is_one_invalid_row() -> None:
    column = ParentColumn("Account.No__c", ACCOUNT, Field("No__c", "No", "double"))
    refused = RecordReader(KeyRule(KEY), {**COLUMNS, "Account.No__c": column}).read(
        SourceRow(1, {"Key__c": "A", "Account.No__c": "secret"})
    )
    assert isinstance(refused, Refusal)
    assert refused.message.startswith("column Account.No__c: Account.No__c is no number")


def test_a_mapping_that_names_no_parent_at_all_ends_the_load() -> None:
    def nothing(spelled: str) -> ParentColumn:
        raise SettingError(f"{spelled} finds none")

    reader = RecordReader(KeyRule(KEY), {**COLUMNS, "Account": ParentsColumn("Account", ACCOUNT, nothing)})
    with pytest.raises(SettingError, match=r"Account\.Extt__c finds none"):
        reader.read(SourceRow(1, {"Key__c": "A", "Account": {"Extt__c": "x"}}))
