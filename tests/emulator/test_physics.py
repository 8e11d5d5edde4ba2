"""Races, locks and limits, with real clients at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg, OrgFileError
from airflow_sf_dedup.emulator.state.record_locks import RecordLocks

from .client import Client, results, soap_record, soap_upsert, text

ROOT = "/services/data/v60.0"
UPSERT = f"{ROOT}/composite/sobjects/Lead/External_Id__c"
#: Any: how long it lasts is up to the test.
WINDOW = 0.01
_PATIENCE = 30


def lead(key: str, **fields: Any) -> dict[str, Any]:
    return {"LastName": f"Doe {key}", "Company": f"Acme {key}", "External_Id__c": key, **fields}


def physics(org: EmulatedOrg, **settings: Any) -> dict[str, Any]:
    answer = requests.post(f"{org.url}/_emulator/physics", json=settings, timeout=5)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def codes(rows: list[dict[str, Any]]) -> list[str | None]:
    return [None if row["success"] else row["errors"][0]["statusCode"] for row in rows]


@pytest.fixture
def org(org: EmulatedOrg) -> Iterator[EmulatedOrg]:
    yield org
    org.state.sleep = time.sleep


def at_once(org: EmulatedOrg, *work: Callable[[Client], Any]) -> list[Any]:
    """Each with a client of its own; none leaves its window before all are in theirs."""
    meeting = threading.Barrier(len(work))

    def sleep(seconds: float) -> None:
        meeting.wait(_PATIENCE)

    org.state.sleep = sleep
    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(lambda call: call(Client(org.url, org.access_token)), work))


def while_in_window(org: EmulatedOrg, first: Callable[[Client], Any], then: Callable[[Client], Any]) -> tuple[Any, Any]:
    """``then`` happens in the window of ``first``, and its own window is none."""
    entered, leave = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        if not entered.is_set():
            entered.set()
            leave.wait(_PATIENCE)

    org.state.sleep = sleep
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(first, Client(org.url, org.access_token))
        assert entered.wait(_PATIENCE)
        try:
            second = then(Client(org.url, org.access_token))
        finally:
            leave.set()
        return running.result(), second


def upserts(*keys: str, **fields: Any) -> Callable[[Client], list[dict[str, Any]]]:
    return lambda client: client.upsert("Lead", "External_Id__c", [lead(key, **fields) for key in keys])


# --- the commit window ------------------------------------------------------------------------------------


def test_of_two_upserts_of_a_new_key_the_later_is_refused_and_its_other_rows_are_saved(org: EmulatedOrg) -> None:
    physics(org, commit_window=WINDOW)
    one, two = at_once(org, upserts("a", "mine"), upserts("a", "yours"))

    lost = codes(one) if codes(one)[0] else codes(two)
    assert sorted([codes(one), codes(two)], key=str) == sorted([[None, None], ["DUPLICATE_VALUE", None]], key=str)
    assert lost == ["DUPLICATE_VALUE", None]
    [error] = [row["errors"][0] for row in (*one, *two) if not row["success"]]
    [holder] = [row["id"] for row in (one[0], two[0]) if row["success"]]
    assert error["message"] == (
        f"duplicate value found: External_Id__c duplicates value on record with id: {holder[:15]}"
    )
    assert sorted(each["External_Id__c"] for each in org.state.records("Lead")) == ["a", "mine", "yours"]


def test_without_a_window_the_later_upsert_is_an_update(org: EmulatedOrg) -> None:
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda key: upserts(key)(Client(org.url, org.access_token)), ["a", "a"]))
    assert sorted(row["created"] for rows in found for row in rows) == [False, True]


def test_a_window_lasts_as_long_as_it_is_set(org: EmulatedOrg) -> None:
    slept: list[float] = []
    org.state.sleep = slept.append
    physics(org, commit_window=1.5)
    client = Client(org.url, org.access_token)
    client.upsert("Lead", "External_Id__c", [lead("a"), lead("b")])
    client.composite([collection("one", "c"), collection("two", "d")])
    client.composite([collection("one", "e"), collection("two", "f")], allOrNone=True)
    assert slept == [1.5] * 4


@pytest.mark.parametrize("door", ["single", "composite", "soap"])
def test_the_race_is_met_through_every_door(door: str, org: EmulatedOrg) -> None:
    physics(org, commit_window=WINDOW)

    def single(client: Client) -> str:
        fields = {name: value for name, value in lead("a").items() if name != "External_Id__c"}
        answer = client.send("PATCH", "/sobjects/Lead/External_Id__c/a", json=fields)
        return "saved" if answer.ok else str(answer.json()[0]["errorCode"])

    def composite(client: Client) -> str:
        [answer] = client.composite([collection("r", "a")])
        [code] = codes(answer["body"])
        return code or "saved"

    def soap(client: Client) -> str:
        [found] = results(client.soap(soap_upsert("Lead", "External_Id__c", soap_record("Lead", **lead("a")))))
        return "saved" if text(found, "success") == "true" else str(text(found, "errors", "statusCode"))

    send = {"single": single, "composite": composite, "soap": soap}[door]
    assert sorted(at_once(org, send, send)) == ["DUPLICATE_VALUE", "saved"]


def test_of_a_hundred_upserts_of_a_new_key_one_is_saved(org: EmulatedOrg) -> None:
    physics(org, commit_window=WINDOW)
    found = at_once(org, *[upserts("a")] * 100)
    assert sorted(str(codes(rows)[0]) for rows in found) == ["DUPLICATE_VALUE"] * 99 + ["None"]
    assert len(org.state.records("Lead")) == 1
    assert [each["verb"] for each in org.state.ledger.entries()] == ["created"] + ["refused"] * 99


def test_a_hundred_calls_that_wait_for_a_record_keep_nobody_from_working(org: EmulatedOrg) -> None:
    [record_id] = org.state.seed("Lead", [lead("held")])
    physics(org, commit_window=WINDOW, lock_wait=_PATIENCE)
    with ThreadPoolExecutor(100) as pool:
        with org.state.record_locks.holding({0: frozenset({record_id})}, wait=0):
            waiting = [pool.submit(upserts("held"), Client(org.url, org.access_token)) for _ in range(100)]
            while org.state.accounting.in_progress < 100:
                time.sleep(0.01)
            assert codes(upserts("free")(Client(org.url, org.access_token))) == [None]
            assert not any(each.done() for each in waiting)
            org.state.sleep = lambda seconds: None
        assert [codes(each.result()) for each in waiting] == [[None]] * 100


def test_reads_see_nothing_of_a_window_and_are_not_kept_waiting(org: EmulatedOrg) -> None:
    physics(org, commit_window=WINDOW)
    rows, seen = while_in_window(org, upserts("a"), lambda client: client.query("SELECT Id FROM Lead"))
    assert (codes(rows), seen) == ([None], [])
    assert len(org.state.records("Lead")) == 1


def collection(reference: str, *keys: str, **fields: Any) -> dict[str, Any]:
    records = [{"attributes": {"type": "Lead"}, **lead(key, **fields)} for key in keys]
    return {"method": "PATCH", "url": UPSERT, "referenceId": reference, "body": {"records": records}}


def test_the_loser_of_a_race_takes_its_all_or_none_collection_with_it(org: EmulatedOrg) -> None:
    physics(org, commit_window=WINDOW)

    def together(client: Client) -> list[dict[str, Any]]:
        return client.upsert("Lead", "External_Id__c", [lead("x"), lead("a")], all_or_none=True)

    rows, _ = while_in_window(org, together, winner)
    assert codes(rows) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "DUPLICATE_VALUE"]
    assert [each["External_Id__c"] for each in org.state.records("Lead")] == ["a"]


def winner(client: Client) -> None:
    """Saves key ``a`` without a window."""
    requests.post(f"{client.url}/_emulator/records/Lead", json=[lead("a")], timeout=5).raise_for_status()


ACCOUNT = {"method": "POST", "url": f"{ROOT}/sobjects/Account", "referenceId": "parent", "body": {"Name": "Acme"}}


def contact(reference: str, **fields: Any) -> dict[str, Any]:
    body = {"LastName": "Doe", "AccountId": "@{parent.id}", **fields}
    return {"method": "POST", "url": f"{ROOT}/sobjects/Contact", "referenceId": reference, "body": body}


def test_a_composite_of_all_or_none_has_one_window_and_its_references_hold(org: EmulatedOrg) -> None:
    physics(org, commit_window=WINDOW)

    def send(client: Client) -> list[dict[str, Any]]:
        return client.composite([ACCOUNT, contact("one"), contact("two", LastName="Roe")], allOrNone=True)

    found, seen = while_in_window(org, send, lambda client: client.query("SELECT Id FROM Account"))
    assert [each["httpStatusCode"] for each in found] == [201, 201, 201]
    assert seen == []
    [account] = org.state.records("Account")
    assert found[0]["body"]["id"] == account["Id"]
    assert {each["AccountId"] for each in org.state.records("Contact")} == {account["Id"]}
    assert [each["verb"] for each in org.state.ledger.entries()] == ["created"] * 3


def test_a_composite_that_loses_a_race_is_rolled_back_as_a_whole(org: EmulatedOrg) -> None:
    physics(org, commit_window=WINDOW)
    single = {
        "method": "PATCH",
        "url": f"{ROOT}/sobjects/Lead/External_Id__c/a",
        "referenceId": "lead",
        "body": {"LastName": "Doe", "Company": "Acme"},
    }
    found, _ = while_in_window(org, lambda client: client.composite([ACCOUNT, single], allOrNone=True), winner)
    assert [each["body"][0]["errorCode"] for each in found] == ["PROCESSING_HALTED", "DUPLICATE_VALUE"]
    assert org.state.records("Account") == []
    entries = [(each["verb"], each["sobject"], each["error"]) for each in org.state.ledger.entries()]
    assert entries == [("refused", "Account", "PROCESSING_HALTED"), ("refused", "Lead", "DUPLICATE_VALUE")]


def test_no_child_is_saved_under_a_parent_that_lost_its_race(org: EmulatedOrg) -> None:
    physics(org, commit_window=WINDOW)
    parents = {
        "method": "PATCH",
        "url": f"{ROOT}/composite/sobjects/Account/External_Id__c",
        "referenceId": "parents",
        "body": {"records": [{"attributes": {"type": "Account"}, "Name": "Acme", "External_Id__c": "a"}]},
    }
    child = {
        "method": "POST",
        "url": f"{ROOT}/sobjects/Contact",
        "referenceId": "child",
        "body": {"LastName": "Doe", "Account": {"External_Id__c": "a"}},
    }

    def race(client: Client) -> None:
        org.state.seed("Account", [{"Name": "Other", "External_Id__c": "a"}])

    found, _ = while_in_window(org, lambda client: client.composite([parents, child], allOrNone=True), race)
    assert found[0]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert found[1]["body"][0]["errorCode"] == "INVALID_CROSS_REFERENCE_KEY"
    assert org.state.records("Contact") == []


def test_chunks_of_several_types_are_one_all_or_none_after_one_window(org: EmulatedOrg) -> None:
    physics(org, commit_window=WINDOW)
    records = [
        {"attributes": {"type": "Account"}, "Name": "Acme"},
        {"attributes": {"type": "Lead"}, **lead("a")},
    ]

    def create(client: Client) -> list[dict[str, Any]]:
        body = {"allOrNone": True, "records": records}
        rows: list[dict[str, Any]] = client.send("POST", "/composite/sobjects", json=body).json()
        return rows

    rows, _ = while_in_window(org, create, winner)
    assert codes(rows) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "DUPLICATE_VALUE"]
    assert org.state.records("Account") == []
    org.state.reset()
    physics(org, commit_window=0.01)
    assert codes(create(Client(org.url, org.access_token))) == [None, None]


def test_a_record_that_is_deleted_in_the_window_is_not_written(org: EmulatedOrg) -> None:
    [record_id] = org.state.seed("Lead", [lead("a")])
    physics(org, commit_window=WINDOW, lock_wait=0)

    def delete(client: Client) -> None:
        with org.state.lock:
            record = org.state.record(record_id)
            assert record is not None
            org.state.put("Lead", record_id, {**record, "IsDeleted": True})

    rows, _ = while_in_window(org, upserts("a"), delete)
    assert codes(rows) == ["ENTITY_IS_DELETED"]


def test_a_call_that_is_in_its_window_when_the_org_is_reset_changes_nothing(org: EmulatedOrg) -> None:
    physics(org, commit_window=WINDOW)

    def send(client: Client) -> int:
        records = [{"attributes": {"type": "Lead"}, **lead("a")}]
        return client.send("PATCH", "/composite/sobjects/Lead/External_Id__c", json={"records": records}).status_code

    status, _ = while_in_window(org, send, lambda client: org.state.reset())
    assert (status, org.state.records("Lead"), len(org.state.ledger)) == (500, [], 0)


# --- locks ------------------------------------------------------------------------------------------------


def test_a_save_waits_for_a_record_that_another_holds(org: EmulatedOrg) -> None:
    org.state.seed("Lead", [lead("a")])
    physics(org, commit_window=WINDOW, lock_wait=_PATIENCE)

    with ThreadPoolExecutor(1) as pool:

        def begin(client: Client) -> Future[Any]:
            waiting = pool.submit(upserts("a", Phone="5"), client)
            while org.state.accounting.in_progress < 2:
                time.sleep(0.001)
            assert not waiting.done()
            return waiting

        one, two = while_in_window(org, upserts("a", City="Bonn"), begin)
        assert codes(one) == codes(two.result()) == [None]
    [record] = org.state.records("Lead")
    assert (record["City"], record["Phone"]) == ("Bonn", "5")
    assert [each["values"].get("City") for each in org.state.ledger.entries()] == ["Bonn", None]


def test_a_save_that_waited_too_long_loses_the_locked_rows_only(org: EmulatedOrg) -> None:
    held, _ = org.state.seed("Lead", [lead("a"), lead("b")])
    physics(org, commit_window=WINDOW, lock_wait=0)
    one, two = while_in_window(org, upserts("a"), upserts("a", "b", "new"))
    assert (codes(one), codes(two)) == ([None], ["UNABLE_TO_LOCK_ROW", None, None])
    assert two[0]["errors"][0]["message"] == (f"unable to obtain exclusive access to this record or 1 records: {held}")


@pytest.mark.parametrize(("locked", "expected"), [(True, ["UNABLE_TO_LOCK_ROW", None]), (False, [None, None])])
def test_children_of_one_parent_lock_it(locked: bool, expected: list[str | None], org: EmulatedOrg) -> None:
    one, two = org.state.seed("Account", [{"Name": "One"}, {"Name": "Two"}])
    physics(org, commit_window=WINDOW, lock_wait=0, lock_parents=locked)

    def children(*parents: str) -> Callable[[Client], list[dict[str, Any]]]:
        rows = [
            {"LastName": f"Doe {key}", "External_Id__c": key, "AccountId": parent} for key, parent in names(parents)
        ]
        return lambda client: client.upsert("Contact", "External_Id__c", rows)

    numbers = iter(range(10))

    def names(parents: tuple[str, ...]) -> list[tuple[str, str]]:
        return [(f"c{next(numbers)}", parent) for parent in parents]

    first, second = while_in_window(org, children(one), children(one, two))
    assert (codes(first), codes(second)) == ([None], expected)


def test_a_composite_of_all_or_none_fails_as_a_whole_when_one_record_is_locked(org: EmulatedOrg) -> None:
    org.state.seed("Lead", [lead("a")])
    physics(org, commit_window=WINDOW, lock_wait=0)
    single = {
        "method": "PATCH",
        "url": f"{ROOT}/sobjects/Lead/External_Id__c/a",
        "referenceId": "lead",
        "body": {"City": "Bonn"},
    }
    _, found = while_in_window(org, upserts("a"), lambda client: client.composite([ACCOUNT, single], allOrNone=True))
    assert [each["body"][0]["errorCode"] for each in found] == ["PROCESSING_HALTED", "UNABLE_TO_LOCK_ROW"]
    assert org.state.records("Account") == []


def test_a_delete_is_a_save_too(org: EmulatedOrg) -> None:
    [record_id] = org.state.seed("Lead", [lead("a")])
    physics(org, commit_window=WINDOW, lock_wait=0)
    rows, answer = while_in_window(
        org, upserts("a"), lambda client: client.send("DELETE", f"/sobjects/Lead/{record_id}")
    )
    assert codes(rows) == [None]
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "UNABLE_TO_LOCK_ROW")


def test_nothing_is_held_once_a_save_is_over() -> None:
    locks = RecordLocks()
    with locks.holding({0: frozenset({"a"})}, wait=0) as blocked:
        assert blocked == {}
        with locks.holding({0: frozenset({"b"}), 1: frozenset({"a", "c"})}, wait=0) as others:
            assert others == {1: "a"}
    with locks.holding({0: frozenset({"a", "b", "c"})}, wait=0) as blocked:
        assert blocked == {}


# --- limits -----------------------------------------------------------------------------------------------


def test_a_save_of_too_many_rows_runs_out_of_cpu_time(client: Client, org: EmulatedOrg) -> None:
    physics(org, max_rows_per_transaction=2)
    rows = client.upsert("Lead", "External_Id__c", [lead(key) for key in "abc"])
    assert codes(rows) == ["CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"] * 3
    assert "Apex CPU time limit exceeded" in rows[0]["errors"][0]["message"]
    answers = results(
        client.soap(soap_upsert("Lead", "External_Id__c", *(soap_record("Lead", **lead(key)) for key in "abc")))
    )
    assert {text(each, "errors", "statusCode") for each in answers} == {"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"}
    assert org.state.records("Lead") == []
    assert codes(client.upsert("Lead", "External_Id__c", [lead(key) for key in "ab"])) == [None, None]


def test_deletes_run_out_of_cpu_time_too(client: Client, org: EmulatedOrg) -> None:
    ids = org.state.seed("Lead", [lead(key) for key in "abc"])
    physics(org, max_rows_per_transaction=2)
    answer = client.send("DELETE", "/composite/sobjects", params={"ids": ",".join(ids)})
    assert codes(answer.json()) == ["CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"] * 3
    assert len(org.state.records("Lead")) == 3


def test_the_daily_calls_are_used_up_and_no_call_more_is_counted(client: Client, org: EmulatedOrg) -> None:
    physics(org, daily_api_requests=3)
    usage = [client.send("GET", "/query", params={"q": "SELECT Id FROM Lead"}) for _ in range(5)]
    assert [each.status_code for each in usage] == [200, 200, 200, 403, 403]
    assert [each.headers["Sforce-Limit-Info"] for each in usage][2:] == ["api-usage=3/3"] * 3
    assert usage[3].json() == [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    assert "sf:REQUEST_LIMIT_EXCEEDED" in client.soap("<urn:query/>").text
    assert org.state.stats()["api_calls"] == 3
    physics(org, daily_api_requests=None)
    assert client.send("GET", "/limits").status_code == 200


def test_a_batch_that_uses_up_the_calls_says_so_for_the_rest(client: Client, org: EmulatedOrg) -> None:
    physics(org, daily_api_requests=2)
    requested = [{"method": "GET", "url": "v60.0/limits"}] * 3
    answer = client.send("POST", "/composite/batch", json={"batchRequests": requested}).json()
    assert [each["statusCode"] for each in answer["results"]] == [200, 200, 403]


def test_more_calls_at_once_than_the_org_bears_are_refused(org: EmulatedOrg) -> None:
    physics(org, commit_window=WINDOW, concurrent_requests=1)
    rows, answer = while_in_window(org, upserts("a"), lambda client: client.send("GET", "/limits"))
    assert codes(rows) == [None]
    assert (answer.status_code, answer.json()[0]["message"]) == (403, "ConcurrentPerOrgLongTxn Limit exceeded.")
    assert Client(org.url, org.access_token).send("GET", "/limits").status_code == 200


def test_every_call_takes_its_latency(client: Client, org: EmulatedOrg) -> None:
    physics(org, latency=[0.05, 0.06])
    client.send("GET", "/limits")
    [call] = org.state.accounting.calls()
    assert call["milliseconds"] > 45


# --- settings ---------------------------------------------------------------------------------------------

DEFAULTS = {
    "commit_window": 0.0,
    "lock_wait": 10.0,
    "lock_parents": True,
    "max_rows_per_transaction": None,
    "latency": 0.0,
    "daily_api_requests": None,
    "concurrent_requests": None,
    "bulk_queue": 0.02,
    "bulk_unseen": 10.0,
    "bulk_upload_bytes": 100_000_000,
    "bulk_query_rows": 50_000,
    "deploy": 0.2,
    "activate_matching_rule": 1.0,
    "stale_rules": 0.5,
    "stale_rules_share": 1.0,
}


def test_settings_are_changed_one_by_one_and_reset_together(org: EmulatedOrg) -> None:
    assert requests.get(f"{org.url}/_emulator/physics", timeout=5).json() == DEFAULTS
    assert physics(org, commit_window=1, latency=[0, 0.01]) == DEFAULTS | {"commit_window": 1.0, "latency": [0, 0.01]}
    assert physics(org, commit_window=None)["commit_window"] == 0.0
    requests.post(f"{org.url}/_emulator/reset", timeout=5).raise_for_status()
    assert requests.get(f"{org.url}/_emulator/physics", timeout=5).json() == DEFAULTS


BAD: list[tuple[Any, str]] = [
    ({"commit_window": -1}, "physics.commit_window: -1 should be a number 0 or more"),
    ({"commit_window": "1"}, "physics.commit_window: '1' should be a number 0 or more"),
    ({"lock_parents": 1}, "physics.lock_parents: 1 should be true or false"),
    ({"latency": [2, 1]}, "physics.latency: [2, 1] should be seconds, or [from, to] in seconds"),
    ({"max_rows_per_transaction": 0}, "physics.max_rows_per_transaction: 0 should be a whole number, 1 or more"),
    ({"nonsense": 1}, "physics.nonsense: no such setting; there are: commit_window"),
    ([1], "physics: should be a mapping"),
]


@pytest.mark.parametrize(("settings", "message"), BAD, ids=[each[1] for each in BAD])
def test_a_bad_setting_is_named(settings: Any, message: str, org: EmulatedOrg) -> None:
    answer = requests.post(f"{org.url}/_emulator/physics", json=settings, timeout=5)
    assert answer.status_code == 400
    assert answer.json()[0]["message"].startswith(message)


def test_an_org_file_sets_the_physics(started: Any) -> None:
    org, client = started({"physics": {"daily_api_requests": 1}})
    for _ in range(2):
        assert [client.send("GET", "/limits").status_code for _ in range(2)] == [200, 403]
        physics(org, daily_api_requests=None)
        org.state.reset()
    with pytest.raises(OrgFileError, match=r"^physics\.latency"):
        EmulatedOrg.start({"physics": {"latency": "slow"}})
