from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_sf_dedup.core.printable import HIDDEN
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import PreflightError
from airflow_sf_dedup.journeys.preflight import Fit, check_sobject
from airflow_sf_dedup.sources.columns import FieldColumn, ParentColumn, ParentsColumn

KEY = Field("External_Id__c", "External ID", "string", length=255, external_id=True, unique=True)
OTHER_KEY = Field("ExternalId__c", "Other ID", "string")
LEAD = SObject(
    "Lead",
    (
        Field("Id", "Lead ID", "id", createable=False, updateable=False, id_lookup=True),
        KEY,
        Field("Legacy_Id__c", "Legacy", "string", length=20, external_id=True),
        Field("Email", "Email", "email", length=80, id_lookup=True),
        Field("LastName", "Last Name", "string", length=80),
        Field("Name", "Full Name", "string", createable=False, updateable=False, id_lookup=True),
        Field("Auto__c", "Auto", "string", external_id=True, unique=True, createable=False, updateable=False),
        Field("Born__c", "Born", "date", external_id=True, unique=True),
        Field("AccountId", "Account", "reference", relationship_name="Account", reference_to=("Account",)),
        Field("WhoId", "Who", "reference", relationship_name="Who", reference_to=("Contact", "Lead")),
        Field("HiddenId", "Hidden", "reference", relationship_name="Hidden", reference_to=("Hidden",)),
        Field("CreatedById", "By", "reference", createable=False, updateable=False, relationship_name="CreatedBy"),
        Field("OncePerRecord__c", "Once", "string", updateable=False),
    ),
)


PARENT_KEY = Field("Ext__c", "External ID", "string", length=80, external_id=True)
PARENT_FIELDS = (
    Field("Id", "ID", "id", id_lookup=True),
    PARENT_KEY,
    Field("Number__c", "Number", "double", external_id=True),
    Field("Email", "Email", "email", id_lookup=True),
    Field("Name", "Name", "string"),
)


class Parents:
    """Describes every parent but one, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, sobject: str) -> SObject:
        self.asked.append(sobject)
        if sobject == "Hidden":
            raise PreflightError("the org has no 'Hidden'")
        return SObject(sobject, PARENT_FIELDS)


def check(
    *columns: str,
    key: str = "External_Id__c",
    sobject: SObject = LEAD,
    allow: bool = False,
    newer_than: str | None = None,
    parents: Parents | None = None,
) -> Fit:
    return check_sobject(
        sobject,
        external_id_field=key,
        columns=columns or None,
        allow_non_unique_key=allow,
        newer_than=newer_than,
        parents=parents or Parents(),
    )


def test_columns_in_any_case_go_to_the_orgs_own_fields() -> None:
    fit = check("EXTERNAL_ID__C", "lastname", "oncePerRecord__c", key="external_id__c")
    assert fit.key_rule.field is KEY
    assert {name: column.field.name for name, column in fit.columns.items()} == {
        "EXTERNAL_ID__C": "External_Id__c",
        "lastname": "LastName",
        "oncePerRecord__c": "OncePerRecord__c",
    }
    assert all(isinstance(column, FieldColumn) for column in fit.columns.values())


@pytest.mark.parametrize(
    ("column", "field", "parent_field", "parent_sobject"),
    [
        ("Account.Ext__c", "AccountId", "Ext__c", None),
        ("account.ext__C", "AccountId", "Ext__c", None),
        ("Account.Email", "AccountId", "Email", None),
        ("Contact:Who.Ext__c", "WhoId", "Ext__c", "Contact"),
        ("contact:who.ext__c", "WhoId", "Ext__c", "Contact"),
    ],
)
def test_a_parent_may_be_named_by_a_field_that_finds_it(
    column: str, field: str, parent_field: str, parent_sobject: str | None
) -> None:
    found = check("External_Id__c", column).columns[column]
    assert isinstance(found, ParentColumn)
    assert (found.field.name, found.parent_key.name, found.parent_sobject) == (field, parent_field, parent_sobject)


def test_a_column_of_mappings_names_its_parents_row_by_row() -> None:
    column = check("External_Id__c", "Account").columns["Account"]
    assert isinstance(column, ParentsColumn)
    fields: dict[str, object] = {}
    column.put(fields, {"number__c": "7.0"})
    assert fields == {"Account": {"Number__c": 7}}
    with pytest.raises(
        PreflightError, match=r"Account\.Name names Account by Name, which is no External ID"
    ) as refused:
        column.put(fields, {"Name": "Acme"})
    assert "Acme" not in str(refused.value)


def test_each_parent_is_described_once_and_only_where_a_column_names_it() -> None:
    parents = Parents()
    check("External_Id__c", "LastName", "AccountId", parents=parents)
    assert parents.asked == []
    check("External_Id__c", "Contact:Who.Ext__c", "Account.Ext__c", parents=parents)
    assert sorted(parents.asked) == ["Account", "Contact"]


def test_the_sobject_itself_is_not_described_again_as_its_own_parent() -> None:
    parents = Parents()
    manager = Field("ManagerId", "Manager", "reference", relationship_name="Manager", reference_to=("Lead",))
    fit = check(
        "External_Id__c", "Manager.Email", sobject=replace(LEAD, fields=(*LEAD.fields, manager)), parents=parents
    )
    assert len(fit.columns) == 2
    assert parents.asked == []


@pytest.mark.parametrize(
    ("key", "words"),
    [
        pytest.param("Externel_Id__c", "nearest: External_Id__c", id="misspelled"),
        pytest.param("Nothing", "External IDs of Lead: External_Id__c, Legacy_Id__c", id="no such field"),
        pytest.param("LastName", "is not an External ID", id="no external ID"),
        pytest.param("Legacy_Id__c", "allow_non_unique_key=True", id="not unique"),
        pytest.param("Email", "silently create two records", id="id lookup, not unique"),
        pytest.param("Id", "Id is no external ID", id="record id"),
        pytest.param("Auto__c", "would not carry its key", id="auto number"),
        pytest.param("Born__c", "of type date", id="date"),
    ],
)
def test_a_field_that_is_no_key_is_refused_with_the_reason(key: str, words: str) -> None:
    with pytest.raises(PreflightError, match="external_id_field: ") as refused:
        check(key=key)
    assert words in str(refused.value)
    assert refused.value.setting == "external_id_field"


@pytest.mark.parametrize("key", ["Legacy_Id__c", "Email"])
def test_a_key_that_is_not_unique_is_taken_when_asked(key: str) -> None:
    assert check(key=key, allow=True).key_rule.field.name == key


@pytest.mark.parametrize(("lacking", "word"), [("createable", "created"), ("updateable", "updated")])
def test_an_sobject_that_cannot_be_upserted_is_refused(lacking: str, word: str) -> None:
    with pytest.raises(PreflightError, match=f"Lead records cannot be {word}") as refused:
        check(sobject=replace(LEAD, **{lacking: False}))
    assert refused.value.setting == "sobject"


@pytest.mark.parametrize(
    ("column", "words"),
    [
        pytest.param("LastNam", "LastNam is no field that this user can see (nearest: LastName", id="misspelled"),
        pytest.param("Zzz", "Zzz is no field that this user can see", id="unknown"),
        pytest.param("Name", "Name is read-only", id="computed"),
        pytest.param("Id", "Id is the record id", id="record id"),
        pytest.param("Acount.Ext__c", "names no parent of Lead by one field (nearest: Account)", id="parent"),
        pytest.param("Account.Owner.Ext__c", "names no parent", id="grandparent"),
        pytest.param("Account.", "names no parent", id="parent without field"),
        pytest.param("CreatedBy.Ext__c", "CreatedBy.Ext__c is read-only", id="read-only parent"),
        pytest.param("Who.Ext__c", "Contact or Lead: say which, as in Contact:Who.Ext__c", id="which parent"),
        pytest.param("Case:Who.Ext__c", "names the parent Case, WhoId takes Contact or Lead", id="wrong parent"),
        pytest.param("Case:Who.", "names no parent", id="which parent without field"),
        pytest.param(
            "Account.Extt__c",
            "names Account by Extt__c, which is no field that this user can see (nearest: Ext__c)",
            id="misspelled field of the parent",
        ),
        pytest.param(
            "Account.Name",
            "names Account by Name, which is no External ID (nor has idLookup); take one of: Ext__c, Number__c, Email",
            id="field that finds no parent",
        ),
        pytest.param("Account.Id", "names a parent by its id: call the column AccountId", id="id of the parent"),
        pytest.param("Hidden.Ext__c", "names the parent Hidden, which this user cannot see", id="hidden parent"),
        pytest.param("external_id__C", "External_Id__c and external_id__C are one field", id="same field twice"),
        pytest.param("External_Id__c\x1b\n", f"External_Id__c{HIDDEN}  is no field", id="escape at the end"),
        pytest.param("External_Id__c\n", "External_Id__c and External_Id__c  are one field", id="line end at the end"),
        pytest.param("\x1b[31mEvil\x1b[0m\n", f"{HIDDEN}[31mEvil{HIDDEN}[0m  is no field", id="colour"),
        pytest.param("\x1b[2J:Who.Ext__c", f"names the parent {HIDDEN}[2J, WhoId takes", id="colour as a parent"),
        pytest.param("Account.\x9b31m", f"Account.{HIDDEN}31m names no parent", id="colour as a parent's field"),
        pytest.param("\u200bLastName", f"{HIDDEN}LastName is no field", id="zero width before a name"),
        pytest.param("\u200b", f"columns: '{HIDDEN}' is no field", id="zero width"),
        pytest.param("", "columns: '' is no field", id="empty"),
        pytest.param(" ", "columns: ' ' is no field", id="blank"),
    ],
)
def test_a_column_that_cannot_be_written_is_named_with_the_reason(column: str, words: str) -> None:
    with pytest.raises(PreflightError) as refused:
        check("External_Id__c", column)
    assert words in str(refused.value)
    assert str(refused.value).isprintable()
    assert refused.value.setting == "source"


@pytest.mark.parametrize(
    ("column", "sent"),
    [
        pytest.param("updated_at", False, id="no field"),
        pytest.param("Name", False, id="read-only field"),
        pytest.param("Who.Ext__c", False, id="a parent that may be several"),
        pytest.param("LastName", True, id="field"),
    ],
)
def test_the_column_of_newer_than_is_sent_only_if_it_can_be(column: str, sent: bool) -> None:
    fit = check("External_Id__c", column, newer_than=column.swapcase())
    assert fit.order_column == column
    assert (column in fit.columns) is sent
    assert set(fit.names) == {"External_Id__c", column}


def test_other_columns_are_refused_beside_newer_than() -> None:
    with pytest.raises(PreflightError, match="Zzz is no field") as refused:
        check("External_Id__c", "updated_at", "Zzz", newer_than="updated_at")
    assert refused.value.setting == "source"
    assert "updated_at" not in str(refused.value)


def test_a_newer_than_that_is_no_column_is_refused_with_the_columns_there_are() -> None:
    with pytest.raises(PreflightError, match=r"newer_than: .*'updated'.*: External_Id__c, LastName$") as refused:
        check("External_Id__c", "LastName", newer_than="updated")
    assert refused.value.setting == "newer_than"


@pytest.mark.parametrize("newer_than", ["\x1b[31mupdated", "External_Id__\x1b[0m"], ids=["of the setting", "near one"])
def test_no_name_in_a_message_about_newer_than_moves_a_terminal(newer_than: str) -> None:
    with pytest.raises(PreflightError, match="newer_than: ") as refused:
        check("External_Id__c\n", newer_than=newer_than)
    assert str(refused.value).isprintable()


def test_newer_than_does_not_repeat_a_first_line_that_is_no_header() -> None:
    with pytest.raises(PreflightError, match="none of the 2 columns") as refused:
        check("ada@example.com", "Lovelace", newer_than="updated_at")
    assert "ada" not in str(refused.value)


def test_a_parent_and_its_reference_field_are_one_field() -> None:
    with pytest.raises(PreflightError, match=r"AccountId and Account\.Ext__c are one field"):
        check("External_Id__c", "AccountId", "Account.Ext__c")


def test_newer_than_may_spell_the_field_of_a_column_in_another_way() -> None:
    fit = check("External_Id__c", "Account.Ext__c", newer_than="accountid")
    assert fit.order_column == "Account.Ext__c"


def test_thousands_of_offending_columns_make_a_short_message() -> None:
    with pytest.raises(PreflightError, match="and 4,990 more") as refused:
        check("External_Id__c", *(f"No_Such_{number}__c" for number in range(5000)))
    assert len(str(refused.value)) < 2000


def test_all_offending_columns_are_named_in_one_error() -> None:
    with pytest.raises(PreflightError) as refused:
        check("External_Id__c", "Zzz", "Name", "Id")
    assert all(name in str(refused.value) for name in ("Zzz", "Name", "Id"))


def test_a_source_without_the_key_column_is_refused() -> None:
    with pytest.raises(PreflightError, match=r"no column External_Id__c.*nearest: ExternalId__c") as refused:
        check("LastName", "ExternalId__c", sobject=replace(LEAD, fields=(*LEAD.fields, OTHER_KEY)))
    assert refused.value.setting == "source"


def test_a_first_line_that_is_no_header_is_not_repeated() -> None:
    with pytest.raises(PreflightError, match="none of the 2 columns") as refused:
        check("ada@example.com", "Lovelace")
    assert "ada" not in str(refused.value)
    assert "delimiter" not in str(refused.value)


@pytest.mark.parametrize("first_row", [("A-1", "Lovelace", "Email"), ("Name", "Lovelace"), ("LastName", "Lovelace")])
def test_a_first_row_in_which_a_value_is_also_a_name_is_not_repeated(first_row: tuple[str, ...]) -> None:
    with pytest.raises(PreflightError, match="is the first line a header") as refused:
        check(*first_row)
    assert "Lovelace" not in str(refused.value)
    assert "A-1" not in str(refused.value)


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","], ids=["semicolon", "tab", "bar", "comma"])
def test_a_header_in_one_column_points_at_the_delimiter(delimiter: str) -> None:
    with pytest.raises(PreflightError, match="set delimiter=") as refused:
        check(delimiter.join(["External_Id__c", "ada@example.com", "Lovelace"]))
    assert repr(delimiter) in str(refused.value)
    assert "ada" not in str(refused.value)


def test_a_single_column_without_a_delimiter_gets_no_hint() -> None:
    with pytest.raises(PreflightError, match="none of the 1 column is a field") as refused:
        check("Lovelace")
    assert "delimiter" not in str(refused.value)
