"""A value that cannot be read makes its row invalid, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.printable import HIDDEN
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.sources.base import SourceRow
from airflow_sf_dedup.sources.columns import FieldColumn, ParentColumn, ParentsColumn
from airflow_sf_dedup.sources.reading import OrderReader, RecordBuilder, RejectedRow

KEY = Field("Key__c", "Key", "string", length=80, external_id=True, unique=True)
ACCOUNT = Field("AccountId", "Account", "reference", relationship_name="Account", reference_to=("Account",))
COLUMNS = {
    "Key__c": FieldColumn("Key__c", KEY),
    "Name": FieldColumn("Name", Field("Name", "Name", "string")),
    "Amount": FieldColumn("Amount", Field("Amount", "Amount", "double")),
}


def parent_key(kind: str) -> Field:
    return Field("Ext__c", "Ext", kind, length=80, scale=1, external_id=True)


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


def read(order: OrderReader | None = None, **values: Any) -> Record | RejectedRow:
    return RecordBuilder(KeyRule(KEY), COLUMNS, order).read(SourceRow(7, values))


@pytest.mark.parametrize("make", VALUES)
@pytest.mark.parametrize("column", ["Key__c", "Name", "Amount"])
def test_a_value_of_any_kind_is_one_invalid_row(column: str, make: Callable[[], Any]) -> None:
    refused = read(**{"Key__c": "A-1", column: make()})
    assert isinstance(refused, RejectedRow)
    assert refused.row_number == 7
    assert column in refused.message
    assert "secret" not in refused.message
    assert refused.key == (None if column == "Key__c" else "A-1")


@pytest.mark.parametrize("make", VALUES)
def test_the_column_that_tells_the_order_is_no_exception(make: Callable[[], Any]) -> None:
    order = OrderReader("at", "at")
    refused = read(order, Key__c="A-1", at=make())
    assert isinstance(refused, RejectedRow)
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
        ("string", "\u00a0A-1", "\u00a0A-1"),
        ("string", "1.10", "1.10"),
        ("string", 7, "7"),
        ("string", 9007199254740993, "9007199254740993"),
        ("string", Decimal("1.10"), "1.10"),
        ("double", "7.0", 7),
        ("double", 7.5, 7.5),
        ("double", "9007199254740993", 9007199254740993),
        ("email", " Ada@Example.com", "ada@example.com"),
    ],
    ids=repr,
)
def test_a_parents_key_is_read_as_a_rows_own_key_is(kind: str, value: Any, wire: Any) -> None:
    column = ParentColumn("Account.Ext__c", ACCOUNT, parent_key(kind))
    fields: dict[str, Any] = {}
    column.put(fields, value)
    assert fields == {"Account": {"Ext__c": wire}}
    assert type(fields["Account"]["Ext__c"]) is type(wire)


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        pytest.param("string", 1.0, "is a text field and the key a float", id="float"),
        pytest.param("string", 1.10, "is a text field and the key a float", id="float that lost a zero"),
        pytest.param("string", 9007199254740993.0, "is a text field and the key a float", id="float that lost a digit"),
        pytest.param("email", 1.0, "is a text field and the key a float", id="float as an address"),
        pytest.param("string", True, "is true or false", id="true"),
        pytest.param("double", False, "is true or false", id="false as a number"),
        pytest.param("string", date(2024, 1, 15), "is neither text nor a whole number", id="date"),
        pytest.param("string", datetime(2024, 1, 15), "is neither text nor a whole number", id="datetime"),
        pytest.param("string", ["A-1"], "is neither text nor a whole number", id="list"),
        pytest.param("string", "x" * 81, "has 81 characters, it holds 80", id="longer than any key"),
        pytest.param("string", "\ufeffA-1", "byte order mark", id="byte order mark"),
        pytest.param("double", 2.0**53, "is a float too large", id="float that may have been a neighbour"),
        pytest.param("double", "1E+11", "is written with an exponent", id="spreadsheet's exponent"),
        pytest.param("double", "1,000", "is a number field and the key is no number", id="thousands separator"),
        pytest.param("double", 7.25, "has 2 decimals, it holds 1", id="decimals that would be rounded"),
    ],
)
@pytest.mark.parametrize("in_mapping", [False, True], ids=["Account.Ext__c", "mapping"])
def test_what_can_be_no_key_names_no_parent(in_mapping: bool, kind: str, value: Any, why: str) -> None:
    column = ParentColumn("Account.Ext__c", ACCOUNT, parent_key(kind))
    row = {"Key__c": "A", **({"Account": {"Ext__c": value}} if in_mapping else {"Account.Ext__c": value})}
    columns = {"Account.Ext__c": column, "Account": ParentsColumn("Account", ACCOUNT, lambda spelled: column)}
    refused = RecordBuilder(KeyRule(KEY), {**COLUMNS, **columns}).read(SourceRow(1, row))
    assert isinstance(refused, RejectedRow)
    assert (refused.code, refused.key) == ("MALFORMED_VALUE", "A")
    assert refused.message.startswith("column Account.Ext__c ")
    assert why in refused.message


LINKS = {
    "indirect look-up": Field("Link__c", "Link", "reference", reference_target="Code__c"),
    "external look-up": Field("Link__c", "Link", "reference", reference_to=("Order__x",)),
}


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize(
    ("value", "held"),
    [("1.10", "1.10"), (" A-1 ", "A-1"), (7, "7"), ("", None), (None, None), (1.10, ...), (True, ...)],
    ids=repr,
)
def test_a_look_up_that_holds_keys_is_read_as_a_key(link: Field, value: Any, held: Any) -> None:
    columns = {**COLUMNS, "Link__c": FieldColumn("Link__c", link)}
    read = RecordBuilder(KeyRule(KEY), columns).read(SourceRow(1, {"Key__c": "A", "Link__c": value}))
    if held is ...:
        assert isinstance(read, RejectedRow)
        assert read.message.startswith("column Link__c is ")
    else:
        assert isinstance(read, Record)
        assert read.fields["Link__c"] == held


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("LastName", "a\0", "column LastName holds a NUL character"),
        ("lastname", "a\0", "column lastname holds a NUL character"),
        ("Account.No__c", "secret", "column Account.No__c is written with an exponent or letters"),
        ("Account", {"No__c": "secret"}, "column Account.No__c is written with an exponent or letters"),
        ("Account", "secret", "column Account names a parent: expected a mapping"),
        ("account", "secret", "column account names a parent: expected a mapping"),
        ("LastName", Treacherous(), "column LastName cannot be read (OSError)"),
        ("LastName\n\x1b[31m", "a\0", f"column LastName {HIDDEN}[31m holds a NUL character"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_message_names_the_column_once_as_the_source_spells_it(column: str, value: Any, message: str) -> None:
    by_number = ParentColumn("Account.No__c", ACCOUNT, Field("No__c", "No", "double"))
    found = {
        "account": ParentsColumn(column, ACCOUNT, lambda spelled: by_number),
        "account.no__c": by_number,
    }.get(column.lower()) or FieldColumn(column, Field("LastName", "Last Name", "string"))
    refused = RecordBuilder(KeyRule(KEY), {**COLUMNS, column: found}).read(SourceRow(1, {"Key__c": "A", column: value}))
    assert isinstance(refused, RejectedRow)
    assert refused.message.startswith(message)
    assert refused.message.count("No__c") <= 1


@pytest.mark.parametrize("value", [None, "", "  ", float("nan")], ids=repr)
def test_no_key_is_no_parent(value: Any) -> None:
    fields: dict[str, Any] = {}
    ParentColumn("Account.Ext__c", ACCOUNT, Field("Ext__c", "Ext", "string")).put(fields, value)
    assert fields == {"AccountId": None}


def test_a_mapping_that_names_no_parent_at_all_ends_the_load() -> None:
    def nothing(spelled: str) -> ParentColumn:
        raise SettingError(f"{spelled} finds none")

    reader = RecordBuilder(KeyRule(KEY), {**COLUMNS, "Account": ParentsColumn("Account", ACCOUNT, nothing)})
    with pytest.raises(SettingError, match=r"Account\.Extt__c finds none"):
        reader.read(SourceRow(1, {"Key__c": "A", "Account": {"Extt__c": "x"}}))
