"""A setting names a field as a source column does, or is refused."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.core.decisions import UpdateMatch
from airflow_sf_dedup.core.outcomes import Saved
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.setting_values import check_names
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.journeys.entry_maker import AuditValues, EntryMaker, TaskMark
from airflow_sf_dedup.journeys.field_settings import check_policy_fields, masked_names
from airflow_sf_dedup.policies import UpdateExisting, read_policy
from airflow_sf_dedup.policies.overwriting import FieldRules
from airflow_sf_dedup.policies.update_existing import chosen_update
from airflow_sf_dedup.testing.contracts.policies import CERTAIN
from airflow_sf_dedup.testing.fake_org import KEY, KEY_FIELD, lead_id

CONTACT = SObject(
    "Contact",
    (
        KEY_FIELD,
        Field("AccountId", "Account", "reference", relationship_name="Account", reference_to=("Account",)),
        Field("OwnerId", "Owner", "reference", relationship_name="Owner", reference_to=("Group", "User")),
        Field("Email", "Email", "email"),
        Field("Fax", "Fax", "phone"),
        Field("Name", "Name", "string"),
        Field("FirstName", "First", "string", compound="Name"),
        Field("LastName", "Last", "string", compound="Name"),
    ),
)
ACCOUNT_SPELLINGS = ["AccountId", "accountid", "Account", "Account.Ext__c", "account.ext__c", "Account:Account.Ext__c"]
ROWS: list[dict[str, Any]] = [{"AccountId": "SECRET"}, {"Account": {"Ext__c": "SECRET"}}]


@pytest.mark.parametrize("row", ROWS, ids=["by id", "by its key"])
@pytest.mark.parametrize("name", ACCOUNT_SPELLINGS)
def test_a_masked_parent_is_masked_however_either_spells_it(name: str, row: dict[str, Any]) -> None:
    masked = masked_names([name], CONTACT, KEY)
    maker = EntryMaker(TaskMark(), audit_values=AuditValues.ALL, masked_fields=masked)
    entry = maker.saved(Record(1, "A", {KEY: "A", "Email": "a@b.c", **row}, "0"), Saved(lead_id(1), True))
    assert "SECRET" not in str(entry.values)
    assert entry.values is not None
    assert entry.values["Email"] == "a@b.c"


def test_a_field_that_only_other_loads_carry_may_be_masked() -> None:
    assert masked_names(["fax", "User:Owner.Username"], CONTACT, KEY) == {"fax", "ownerid", "owner"}


def test_masking_a_compound_field_masks_its_parts() -> None:
    assert masked_names(["Name"], CONTACT, KEY) == {"name", "firstname", "lastname"}


@pytest.mark.parametrize(
    ("masked", "words"),
    [
        (["Emial"], "called Emial (nearest: Email)"),
        (["Email", "Acount.Ext__c"], "Acount.Ext__c (nearest: Account)"),
        ([""], "has no field"),
        ([KEY.upper()], f"{KEY} is the key"),
        ([f"No_{n}__c" for n in range(500)], "and 490 more"),
    ],
    ids=["misspelled", "misspelled parent", "blank", "key", "many"],
)
def test_a_mask_that_means_nothing_is_refused(masked: list[str], words: str) -> None:
    with pytest.raises(SettingError, match="masked_fields: ") as refused:
        masked_names(masked, CONTACT, KEY)
    assert words in str(refused.value)
    assert refused.value.setting == "masked_fields"
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    "names",
    ["Email", b"Email", [1], [None], {"Email": 1}, 7, None, iter(["Email"])],
    ids=["a name", "bytes", "numbers", "nothing in it", "a mapping", "a number", "nothing", "read once"],
)
def test_what_is_no_list_of_names_is_refused(names: Any) -> None:
    with pytest.raises(SettingError, match="expected a list of field names"):
        check_names("masked_fields", names)


@pytest.mark.parametrize("names", [[], ["Email"], ("Email",), {"Email"}, frozenset({"Email"})], ids=repr)
def test_any_collection_of_names_is_a_list(names: Any) -> None:
    check_names("masked_fields", names)


@pytest.mark.parametrize("column", ["AccountId", "Account.Ext__c", "Account"])
@pytest.mark.parametrize("name", ACCOUNT_SPELLINGS)
def test_a_policy_may_name_a_parent_in_every_spelling(name: str, column: str) -> None:
    check_policy_fields(read_policy(UpdateExisting(fields=[name])), CONTACT, [column], KEY)


@pytest.mark.parametrize("row", ROWS, ids=["by id", "by its key"])
@pytest.mark.parametrize("name", ACCOUNT_SPELLINGS)
def test_what_a_policy_names_is_written_however_the_row_carries_it(name: str, row: dict[str, Any]) -> None:
    record = Record(1, "A-1", {CERTAIN.external_id_field: "A-1", "Email": "a@b.c", **row}, "0")
    case = type(CERTAIN)(record, "Contact", CERTAIN.external_id_field, (), described=CONTACT)
    values = chosen_update(case, CERTAIN.matched[0], FieldRules.read([name], "fields")).fields
    assert values == {CERTAIN.external_id_field: "A-1", **row}
    assert UpdateMatch(lead_id(1), values).fields == values


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Emial", "Emial (nearest: Email)"),
        ("Fax", "Fax"),
        ("OwnerId", "OwnerId"),
        ("User:Owner.Emp__c", "User:Owner.Emp__c"),
    ],
    ids=["misspelled", "not carried", "known of every load", "not carried parent"],
)
def test_a_policys_field_that_the_load_does_not_carry_is_refused(name: str, words: str) -> None:
    policy = read_policy(UpdateExisting(fields=[name, "Email"]))
    with pytest.raises(SettingError, match="which the load does not carry") as refused:
        check_policy_fields(policy, CONTACT, ["Email", "Account.Ext__c"], KEY)
    assert words in str(refused.value)
    assert refused.value.setting == "on_duplicate"


def test_the_key_is_always_carried() -> None:
    check_policy_fields(read_policy(UpdateExisting(fields=[KEY])), CONTACT, [], KEY)
