from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client

KEY = "External_Id__c"


def lead(key: str | None = None, **fields: Any) -> dict[str, Any]:
    given = {"LastName": "Doe", "Company": f"Company {key}", **fields}
    return given if key is None else {KEY: key, **given}


def codes(row: dict[str, Any]) -> list[str]:
    return [error["statusCode"] for error in row["errors"]]


def test_an_upsert_creates_and_then_updates_in_row_order(client: Client) -> None:
    created = client.upsert("Lead", KEY, [lead("a"), lead("b")])
    again = client.upsert("Lead", KEY, [lead("b"), lead("c")])
    assert [list(row) for row in created] == [["id", "success", "errors", "created"]] * 2
    assert [row["created"] for row in again] == [False, True]
    assert again[0]["id"] == created[1]["id"]


def test_case_insensitive_keys_meet_whatever_their_case(client: Client) -> None:
    (first,) = client.upsert("Lead", KEY, [lead("Key")])
    (second,) = client.upsert("Lead", KEY, [lead("kEY")])
    assert (second["id"], second["created"]) == (first["id"], False)


def test_case_sensitive_keys_do_not(client: Client) -> None:
    rows = client.upsert(
        "Lead",
        "Case_Sensitive_Key__c",
        [lead(Case_Sensitive_Key__c="k", Company="One"), lead(Case_Sensitive_Key__c="K", Company="Two")],
    )
    assert [row["created"] for row in rows] == [True, True]


@pytest.mark.parametrize("spelling", [12, 12.0, "12", "12.0", " 12 "])
def test_number_keys_are_compared_as_numbers(client: Client, spelling: Any) -> None:
    client.upsert("Lead", "Legacy_Number__c", [lead(Legacy_Number__c=12)])
    (row,) = client.upsert("Lead", "Legacy_Number__c", [lead(Legacy_Number__c=spelling)])
    assert row["created"] is False
    assert client.query("SELECT Legacy_Number__c FROM Lead")[0]["Legacy_Number__c"] == 12.0


def test_every_row_that_shares_a_key_is_refused(client: Client) -> None:
    rows = client.upsert("Lead", KEY, [lead("A-1"), lead("b"), lead("a-1")])
    assert [row["success"] for row in rows] == [False, True, False]
    assert rows[0]["errors"] == [
        {"statusCode": "DUPLICATE_VALUE", "message": "Duplicate external id specified: a-1", "fields": [KEY]}
    ]
    assert set(rows[0]) == {"success", "errors"}


def test_a_key_that_several_records_hold_names_them_by_label_and_ids(client: Client, org: EmulatedOrg) -> None:
    ids = org.state.seed("Lead", [lead(Loose_Key__c="x"), lead(Loose_Key__c="x")])
    (row,) = client.upsert("Lead", "Loose_Key__c", [lead(Loose_Key__c="x")])
    assert codes(row) == ["DUPLICATE_EXTERNAL_ID"]
    assert row["errors"][0]["message"] == (
        f"Loose Key: more than one record found for external id field: [{ids[0]}, {ids[1]}]"
    )


@pytest.mark.parametrize("key", [None, "", "   "], ids=["null", "empty", "blank"])
def test_a_row_without_its_key_is_refused_alone(client: Client, key: Any) -> None:
    rows = client.upsert("Lead", KEY, [{**lead(), KEY: key}, lead("b"), lead()])
    assert [codes(row) for row in rows] == [["MISSING_ARGUMENT"], [], ["MISSING_ARGUMENT"]]


def test_another_unique_field_names_its_holder(client: Client) -> None:
    (held,) = client.upsert("Lead", "Legacy_Number__c", [lead(Legacy_Number__c=7)])
    (row,) = client.upsert("Lead", KEY, [lead("a", Legacy_Number__c=7)])
    assert row["errors"] == [
        {
            "statusCode": "DUPLICATE_VALUE",
            "message": f"duplicate value found: Legacy_Number__c duplicates value on record with id: {held['id'][:15]}",
            "fields": [],
        }
    ]


def test_a_duplicate_rule_says_only_its_code_and_alert_text(client: Client) -> None:
    client.create("Lead", LastName="Doe", Company="Acme", Email="jane@example.com")
    (row,) = client.upsert("Lead", KEY, [lead("a", LastName="Other", Email="Jane@Example.com")])
    assert row == {
        "success": False,
        "errors": [
            {"statusCode": "DUPLICATES_DETECTED", "message": "Use one of these records?", "fields": []},
        ],
    }


def test_rows_of_one_call_do_not_see_each_other(client: Client) -> None:
    rows = client.upsert("Lead", KEY, [lead("a", Email="x@example.com"), lead("b", Email="x@example.com")])
    assert [row["success"] for row in rows] == [True, True]


def test_all_or_none_keeps_nothing_and_says_created_on_every_row(client: Client) -> None:
    rows = client.upsert("Lead", KEY, [lead("a"), lead("b", LastName=None)], all_or_none=True)
    assert [codes(row) for row in rows] == [
        ["ALL_OR_NONE_OPERATION_ROLLED_BACK"],
        ["REQUIRED_FIELD_MISSING"],
    ]
    assert [row["created"] for row in rows] == [True, True]
    assert client.query("SELECT COUNT() FROM Lead") == []
    assert client.send("GET", "/query", params={"q": "SELECT COUNT() FROM Lead"}).json()["totalSize"] == 0


ROW_ERRORS = [
    ({"LastName": None}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]", ["LastName"]),
    ({"LastName": "x" * 81}, "STRING_TOO_LONG", "Last Name: data value too large: " + "x" * 81, ["LastName"]),
    ({"Rating": "Tepid"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Rating: bad value for restricted", ["Rating"]),
    ({"Email": "nobody"}, "INVALID_EMAIL_ADDRESS", "Email: invalid email address: nobody", ["Email"]),
    ({"Foo": 1}, "INVALID_FIELD", "No such column 'Foo' on sobject of type Lead", []),
    ({"CreatedDate": "2026-01-01"}, "INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update", ["CreatedDate"]),
    ({"OwnerId": "nonsense"}, "MALFORMED_ID", "Owner ID: id value of incorrect type: nonsense", ["OwnerId"]),
    ({"OwnerId": "005000000000999AAA"}, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ["OwnerId"]),
    ({"NumberOfEmployees": 10**9}, "NUMBER_OUTSIDE_VALID_RANGE", "Number Of Employees: value outside", None),
]


@pytest.mark.parametrize(("fields", "code", "message", "named"), ROW_ERRORS, ids=[row[1] for row in ROW_ERRORS])
def test_a_value_that_breaks_a_rule_refuses_its_row_only(
    client: Client, fields: dict[str, Any], code: str, message: str, named: list[str] | None
) -> None:
    bad, good = client.upsert("Lead", KEY, [lead("a", **fields), lead("b")])
    assert codes(bad) == [code]
    assert bad["errors"][0]["message"].startswith(message)
    assert named is None or bad["errors"][0]["fields"] == named
    assert good["success"]


MALFORMED = [
    ({"Birthdate__c": "2026-13-45"}, "date from VALUE_STRING value 2026-13-45"),
    ({"Birthdate__c": "soon"}, "date from VALUE_STRING value soon"),
    ({"Last_Contacted__c": "yesterday"}, "datetime from VALUE_STRING value yesterday"),
    ({"DoNotCall": "perhaps"}, "boolean from VALUE_STRING value perhaps"),
    ({"DoNotCall": None}, "boolean from VALUE_NULL value null"),
    ({"NumberOfEmployees": "many"}, "int from VALUE_STRING value many"),
    ({"NumberOfEmployees": 1.5}, "int from VALUE_NUMBER_FLOAT value 1.5"),
    ({"LastName": {"a": 1}}, "string from START_OBJECT value {"),
    ({"LastName": ["a"]}, "string from START_ARRAY value ["),
    ({"LastName": 7}, "string from VALUE_NUMBER_INT value 7"),
]


@pytest.mark.parametrize(("fields", "message"), MALFORMED, ids=[row[1] for row in MALFORMED])
def test_a_value_of_the_wrong_type_refuses_the_whole_request(
    client: Client, fields: dict[str, Any], message: str
) -> None:
    records = [{"attributes": {"type": "Lead"}, **each} for each in (lead("a"), lead("b", **fields))]
    answer = client.send("PATCH", f"/composite/sobjects/Lead/{KEY}", json={"records": records})
    (error,) = answer.json()
    assert (answer.status_code, error["errorCode"]) == (400, "JSON_PARSER_ERROR")
    assert error["message"].startswith(f"Cannot deserialize instance of {message} or request may be missing")
    assert "at [line:1, column:" in error["message"]
    assert client.query("SELECT Id FROM Lead") == []


def test_more_than_200_records_are_refused(client: Client) -> None:
    records = [{"attributes": {"type": "Lead"}, **lead(str(n))} for n in range(201)]
    answer = client.send("PATCH", f"/composite/sobjects/Lead/{KEY}", json={"records": records})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "EXCEEDED_ID_LIMIT")


def test_a_field_that_is_no_key_refuses_the_request(client: Client) -> None:
    answer = client.send("PATCH", "/composite/sobjects/Lead/Company", json={"records": []})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (404, "NOT_FOUND")


def test_an_upsert_by_a_null_id_creates(client: Client) -> None:
    (row,) = client.upsert("Account", "Id", [{"Id": None, "Name": "Acme"}])
    (again,) = client.upsert("Account", "Id", [{"Id": row["id"], "Name": "Acme 2"}])
    assert (row["created"], again["created"]) == (True, False)


def test_email_is_a_key_without_being_an_external_id_and_is_kept_in_lower_case(client: Client) -> None:
    (first,) = client.upsert("Contact", "Email", [{"LastName": "Myers", "Email": "Chloe.Myers@Example.com"}])
    (second,) = client.upsert("Contact", "Email", [{"LastName": "Myers", "Email": "chloe.MYERS@example.com"}])
    assert (second["id"], second["created"]) == (first["id"], False)
    assert client.query("SELECT Email FROM Contact")[0]["Email"] == "chloe.myers@example.com"


def test_create_takes_several_types_in_at_most_ten_chunks(client: Client) -> None:
    account = {"attributes": {"type": "Account"}, "Name": "Acme"}
    contact = {"attributes": {"type": "Contact"}, "LastName": "Doe"}
    rows = client.send("POST", "/composite/sobjects", json={"records": [account, contact]}).json()
    assert [(row["id"][:3], "created" in row) for row in rows] == [("001", False), ("003", False)]
    many = client.send("POST", "/composite/sobjects", json={"records": [account, contact] * 6})
    assert many.status_code == 400


def test_a_parent_is_named_by_its_external_id(client: Client) -> None:
    client.upsert("Account", KEY, [{KEY: "acc", "Name": "Acme"}])
    rows = client.upsert(
        "Contact",
        KEY,
        [
            {KEY: "1", "LastName": "A", "Account": {KEY: "ACC"}},
            {KEY: "2", "LastName": "B", "Account": {KEY: "none"}},
        ],
    )
    assert client.query("SELECT Account.Name FROM Contact")[0]["Account"]["Name"] == "Acme"
    assert rows[1]["errors"] == [
        {
            "statusCode": "INVALID_FIELD",
            "message": f"Foreign key external ID: none not found for field {KEY} in entity Account",
            "fields": [],
        }
    ]


def test_retrieve_shows_null_for_what_is_not_there(client: Client) -> None:
    kept, gone = (client.create("Account", Name=name) for name in ("Kept", "Gone"))
    client.send("DELETE", f"/sobjects/Account/{gone}")
    body = {"ids": [gone, kept[:15], "001000000000999AAA"], "fields": ["Name"]}
    first, second, third = client.send("POST", "/composite/sobjects/Account", json=body).json()
    assert (first, third) == (None, None)
    assert second["Name"] == "Kept"
    listed = client.send("GET", "/composite/sobjects/Account", params={"ids": kept, "fields": "Id,Name"}).json()
    assert listed[0]["Id"] == kept


def test_delete_answers_row_by_row(client: Client) -> None:
    kept = client.create("Account", Name="Kept")
    rows = client.send("DELETE", "/composite/sobjects", params={"ids": f"{kept},nonsense"}).json()
    assert rows[0] == {"id": kept, "success": True, "errors": []}
    assert (codes(rows[1]), "id" in rows[1]) == (["MALFORMED_ID"], False)
    again = client.send("DELETE", "/composite/sobjects", params={"ids": kept}).json()
    assert codes(again[0]) == ["ENTITY_IS_DELETED"]


def test_a_deleted_record_refuses_updates(client: Client) -> None:
    gone = client.create("Account", Name="Gone")
    client.send("DELETE", f"/sobjects/Account/{gone}")
    records = [{"attributes": {"type": "Account"}, "Id": gone, "Name": "Back"}]
    (row,) = client.send("PATCH", "/composite/sobjects", json={"records": records}).json()
    assert codes(row) == ["ENTITY_IS_DELETED"]


def test_one_id_may_come_five_times_in_one_call(client: Client) -> None:
    record_id = client.create("Account", Name="Acme")
    records = [{"attributes": {"type": "Account"}, "Id": record_id, "Name": f"Acme {n}"} for n in range(6)]
    rows = client.send("PATCH", "/composite/sobjects", json={"records": records}).json()
    assert [row["success"] for row in rows] == [True] * 5 + [False]
