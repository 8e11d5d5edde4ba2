from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.emulator.errors import ApiError

from .client import Client

ACCOUNTS = [{"Name": "Nowak", "External_Id__c": "A-1"}, {"Name": "Twin", "AccountNumber": "7"}]


def test_a_parent_is_named_by_its_external_id(org: EmulatedOrg) -> None:
    [parent, _] = org.seed("Account", ACCOUNTS)
    for row in (
        {"LastName": "a", "Account.External_Id__c": "a-1"},
        {"LastName": "b", "account.external_id__c": "A-1", "DoNotCall": True},
        {"LastName": "c", "Account": {"External_Id__c": "A-1"}},
    ):
        [contact] = org.seed("Contact", [row])
        assert (org.record(contact) or {})["AccountId"] == parent


def test_a_row_may_name_an_earlier_row_as_its_parent(org: EmulatedOrg) -> None:
    rows = [{"Name": "Holding", "External_Id__c": "H"}, {"Name": "Daughter", "Parent.External_Id__c": "H"}]
    [holding, daughter] = org.seed("Account", rows)
    assert (org.record(daughter) or {})["ParentId"] == holding


def test_an_empty_parent_column_names_none(org: EmulatedOrg, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("LastName,Account.External_Id__c\nNowak,\n", encoding="utf-8")
    [contact] = org.seed("Contact", tmp_path / "c.csv")
    assert "AccountId" not in (org.record(contact) or {})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.csv", '\ufeffName,NumberOfEmployees\r\n"Nowak, Optics",5\r\n'),
        ("x.ndjson", '{"Name": "Nowak, Optics", "NumberOfEmployees": 5}\n\n'),
        ("x.jsonl", '{"Name": "Nowak, Optics", "NumberOfEmployees": "5"}'),
        ("x.json", '[{"Name": "Nowak, Optics", "NumberOfEmployees": 5}]'),
        (
            "y.json",
            '{"records": [{"attributes": {"type": "Account"}, "Name": "Nowak, Optics", "NumberOfEmployees": 5}]}',
        ),
    ],
    ids=["csv with a mark", "ndjson", "jsonl", "json", "answer of a query"],
)
def test_every_kind_of_file(org: EmulatedOrg, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    org.seed("Account", str(tmp_path / name))
    [account] = org.records("Account")
    assert (account["Name"], account["NumberOfEmployees"]) == ("Nowak, Optics", 5)


REFUSED: list[tuple[dict[str, Any], str, str | None]] = [
    ({"LastName": "x", "Emial": "a"}, "did you mean 'Email'?", "Emial"),
    ({"LastName": "x", "Email": "nonsense"}, "invalid email address", "Email"),
    ({"LastName": "x" * 81}, "data value too large", "LastName"),
    ({"LastName": "x", "Birthdate": "tomorrow"}, "not a valid value for the type xsd:date", "Birthdate"),
    ({"LastName": "x", "DoNotCall": 7}, "Cannot deserialize instance of boolean", "DoNotCall"),
    ({"LastName": "x", "Account.External_Id__c": "none"}, "none has 'none' in Account", "Account.External_Id__c"),
    ({"LastName": "x", "Account.Name": "Nowak"}, "Name is no external id of Account", "Account.Name"),
    ({"LastName": "x", "Acount.External_Id__c": "A-1"}, "did you mean 'Account'?", "Acount"),
    ({"LastName": "x", "Id": "0015g0000000001AAA"}, "ids of Contact begin with 003", "Id"),
]


@pytest.mark.parametrize(("row", "complaint", "field"), REFUSED, ids=[each[1][:30] for each in REFUSED])
def test_a_row_that_cannot_be_is_named_and_nothing_is_put(
    org: EmulatedOrg, row: dict[str, Any], complaint: str, field: str | None
) -> None:
    org.seed("Account", ACCOUNTS)
    with pytest.raises(ApiError) as raised:
        org.seed("Contact", [{"LastName": "good"}, row])
    assert raised.value.message.startswith(f"row 2, {field}: ")
    assert complaint in raised.value.message
    assert org.records("Contact") == []


def test_two_parents_with_one_key_are_refused(started: Any) -> None:
    org, _ = started(
        {
            "sobjects": {
                "P__c": {"fields": {"Name": "text(80)", "Key__c": "text(9) external_id"}},
                "C__c": {"fields": {"Name": "text(80)", "P__c": "reference(P__c)"}},
            },
            "records": {"P__c": [{"Key__c": "1"}, {"Key__c": "1"}]},
        }
    )
    with pytest.raises(ApiError, match=r"row 1, P__r.Key__c: 2 of them have '1' in P__c.Key__c"):
        org.seed("C__c", [{"P__r.Key__c": "1"}])


@pytest.mark.parametrize(
    ("kind", "body", "complaint"),
    [
        ("text/csv", b"Name\na,b\n", "line 2: more cells than the header has columns"),
        ("text/csv", b"Name\n\xff\n", "codec can't decode"),
        ("application/x-ndjson", b'{"Name": "a"}\n{"Name"\n', "line 2: is no JSON"),
        ("application/json", b'{"Name": "a"}', "should be a list of records"),
        ("application/json", b"[7]", "row 1: 7 should be a mapping"),
        ("application/json", b'[{"Name": "a"}, {"Name": {"x": 1}}]', "row 2, Name: "),
    ],
)
def test_seeds_over_http_that_cannot_be(org: EmulatedOrg, kind: str, body: bytes, complaint: str) -> None:
    answer = requests.post(f"{org.url}/_emulator/records/Account", data=body, headers={"Content-Type": kind}, timeout=5)
    assert answer.status_code == 400
    assert complaint in answer.json()[0]["message"]
    assert org.records("Account") == []


def test_seeded_records_have_their_auto_number(org: EmulatedOrg, client: Client) -> None:
    org.seed("Case", [{"Subject": "a"}, {"Subject": "b"}])
    assert [each["CaseNumber"] for each in client.query("SELECT CaseNumber FROM Case")] == ["00000001", "00000002"]
