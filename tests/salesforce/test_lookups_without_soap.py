"""Look-ups by REST and by the User Interface API, and SOAP's ``findDuplicates``: what is asked and what is read."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.core.outcomes import (
    NO_MATCH_NAMED,
    NOTHING_FOUND,
    DuplicatesFound,
    Failed,
    KeyHeldByMany,
    Saved,
    Unanswered,
)
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.errors import OutcomeUnknownError, PermissionRefusedError, TransientCallError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.find_duplicates_lookup import FindDuplicatesLookup
from airflow_sf_dedup.salesforce.predupe_lookup import PredupeLookup
from airflow_sf_dedup.salesforce.rest_lookup import RestUpsertLookup
from airflow_sf_dedup.salesforce.wire import predupe
from airflow_sf_dedup.salesforce.wire.rest import read_single

LEAD = SObject("Lead", (Field("Key__c", "Key", "string"),), key_prefix="00Q")
ONE, TWO = (to_18(f"00Q00000000000{n}") for n in (1, 2))
SEVERAL = KeyHeldByMany("several records hold the key", (ONE, TWO))
TOO_LONG = Failed("STRING_TOO_LONG", "no", ("Name",))


def record(key: str = "A-1", **fields: Any) -> Record:
    return Record(1, key, {"key__C": key, **fields}, "0")


@pytest.fixture
def session(canned_org: Any) -> SalesforceSession:
    access = {"access_token": "t", "instance_url": canned_org.url}
    return SalesforceSession(from_parts("c", "salesforce_dedup", None, None, None, access), sleep=lambda s: None)


@pytest.fixture
def rest(session: SalesforceSession) -> RestUpsertLookup:
    return RestUpsertLookup(session, sobject=LEAD, external_id_field="Key__c")


@pytest.fixture
def find(session: SalesforceSession) -> FindDuplicatesLookup:
    return FindDuplicatesLookup(session, sobject=LEAD)


def refusal(spelling: str, *, allow_save: bool = False) -> list[Any]:
    found = {"record": {"attributes": {"type": "Lead"}, "Id": ONE}, "matchConfidence": 95.0}
    by_rule = {"entityType": "Lead", "matchEngine": "ExactMatchEngine", "rule": "Mail", "size": 1}
    result = {
        "allowSave": allow_save,
        "duplicateRule": "By_mail",
        "matchResults": [{**by_rule, "matchRecords": [found]}],
    }
    return [{spelling: result, "errorCode": "DUPLICATES_DETECTED", "message": "Use one of these?"}]


# -- rest ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["duplicateResut", "duplicateResult"])
def test_the_refusal_of_one_record_names_its_matches_in_either_spelling(
    canned_org: Any, reply: Any, rest: RestUpsertLookup, spelling: str
) -> None:
    canned_org.answers(reply(400, refusal(spelling, allow_save=True)))
    [found] = rest.look_up([record()])  # type: ignore[misc]
    assert isinstance(found, DuplicatesFound)
    [match] = found.matches or ()
    assert (match.record_id, match.duplicate_rule, match.confidence, found.allow_save) == (ONE, "By_mail", 95.0, True)


def test_the_key_stands_in_the_url_alone_and_means_itself(canned_org: Any, reply: Any, rest: RestUpsertLookup) -> None:
    canned_org.answers(reply(201, {"id": ONE, "success": True, "errors": [], "created": True}))
    assert rest.look_up([record("a/ü?#%2F b", LastName="X")]) == [Saved(ONE, True)]
    [asked] = canned_org.requests
    assert (asked.method, asked.json) == ("PATCH", {"LastName": "X"})
    assert asked.path.endswith("/sobjects/Lead/Key__c/a%2F%C3%BC%3F%23%252F%20b")
    assert asked.headers["sforce-duplicate-rule-header"].startswith("allowSave=false")
    assert asked.headers["sforce-auto-assign"] == "FALSE"


@pytest.mark.parametrize("key", [".", "..", "A.json", "a.XML"])
def test_a_key_that_a_url_cannot_carry_is_not_asked_for(canned_org: Any, rest: RestUpsertLookup, key: str) -> None:
    [found] = rest.look_up([record(key)])  # type: ignore[misc]
    assert isinstance(found, DuplicatesFound)
    assert (found.matches, found.why_unnamed) == ((), NO_MATCH_NAMED)
    assert canned_org.requests == []


@pytest.mark.parametrize(
    ("document", "outcome"),
    [
        (
            ["/services/data/v62.0/sobjects/Lead/" + ONE, "/x/" + TWO],
            KeyHeldByMany("several records hold the key", (ONE, TWO)),
        ),
        (
            [{"errorCode": "STRING_TOO_LONG", "message": "no", "fields": ["Name"]}],
            Failed("STRING_TOO_LONG", "no", ("Name",)),
        ),
        ({"errorCode": "NOT_FOUND", "message": "no"}, Failed("NOT_FOUND", "no")),
        ({"success": True}, Unanswered("success without a record id")),
        (None, Unanswered("neither success nor an error")),
        ([], Unanswered("neither success nor an error")),
        ("x", Unanswered("neither success nor an error")),
    ],
    ids=["several holders", "another refusal", "a bare error", "no id", "empty", "no error", "garbled"],
)
def test_each_answer_to_one_record_is_one_outcome(document: Any, outcome: Any) -> None:
    assert read_single(document) == outcome


def test_a_record_of_another_sobject_is_no_answer(canned_org: Any, reply: Any, rest: RestUpsertLookup) -> None:
    canned_org.answers(reply(200, {"id": to_18("003000000000001"), "success": True, "created": False}))
    [outcome] = rest.look_up([record()])  # type: ignore[misc]
    assert isinstance(outcome, Unanswered)


def test_what_refuses_more_than_the_record_is_an_error_of_the_call(
    canned_org: Any, reply: Any, rest: RestUpsertLookup
) -> None:
    canned_org.answers(reply(403, [{"errorCode": "API_DISABLED_FOR_ORG", "message": "no"}]))
    with pytest.raises(PermissionRefusedError):
        rest.look_up([record()])


def test_a_single_upsert_without_an_answer_in_time_is_not_repeated_here(canned_org: Any, reply: Any) -> None:
    canned_org.answers(reply(delay=0.4))
    access = {"access_token": "t", "instance_url": canned_org.url, "read_timeout": 0.2}
    session = SalesforceSession(from_parts("c", "salesforce_dedup", None, None, None, access), sleep=lambda s: None)
    with pytest.raises(OutcomeUnknownError):
        RestUpsertLookup(session, sobject=LEAD, external_id_field="Key__c").look_up([record()])
    assert len(canned_org.requests) == 1


# -- predupe ---------------------------------------------------------------------------------------


def info(rule: str, ids: list[str], *, allow_save: bool) -> dict[str, Any]:
    return {"rule": rule, "allowSave": allow_save, "matchResultInfo": {"recordIds": ids, "rule": f"{rule}_matching"}}


def answered(*infos: dict[str, Any], **more: Any) -> dict[str, Any]:
    by_rule = {each["rule"]: each for each in infos}
    matches = [{"objectApiName": "Lead", "duplicateResultInfos": by_rule, "recordIds": []}]
    return {"allowSave": True, "duplicateError": True, "matches": matches, **more}


@pytest.mark.parametrize(
    ("answer", "ids", "allow_save"),
    [
        (answered(info("A", [ONE], allow_save=True)), [ONE], True),
        (answered(info("A", [ONE], allow_save=True), info("B", [ONE], allow_save=False)), [ONE, ONE], False),
        (answered(info("A", [ONE], allow_save=True), allowSave=False), [ONE], False),
        (answered(matches=[{"objectApiName": "Lead", "matchRecordIds": [ONE, TWO]}]), [ONE, TWO], True),
        (answered(matches=[{"objectApiName": "Lead", "recordIds": ["x", None]}]), [], True),
        (answered(matches=None), [], True),
    ],
    ids=["one rule", "one of two blocks", "the answer says no", "ids alone", "no ids", "nobody named"],
)
def test_predupe_names_records_wherever_their_ids_stand(answer: Any, ids: list[str], allow_save: bool) -> None:
    found = predupe.read_found(answer)
    assert [match.record_id for match in found.matches or ()] == ids
    assert {match.sobject for match in found.matches or ()} <= {"Lead"}
    assert found.allow_save is allow_save
    assert found.why_unnamed == NO_MATCH_NAMED


def test_predupe_tells_when_nothing_is_found_and_when_it_does_not_say() -> None:
    assert predupe.read_found({"allowSave": True, "duplicateError": False, "matches": []}).why_unnamed == NOTHING_FOUND
    with pytest.raises(TransientCallError):
        predupe.read_found({"matches": []})


def test_a_row_that_names_its_parent_by_key_is_not_asked_about(canned_org: Any, session: SalesforceSession) -> None:
    """A rule that compares parents would find who has none."""
    [found] = PredupeLookup(session, sobject=LEAD).look_up([record(Account={"Key__c": "P"})])  # type: ignore[misc]
    assert isinstance(found, DuplicatesFound)
    assert (found.matches, found.why_unnamed) == ((), NO_MATCH_NAMED)
    assert canned_org.requests == []


# -- findDuplicates ----------------------------------------------------------------------------------


def soap(content: str) -> bytes:
    return (
        f'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>{content}</e:Body></e:Envelope>'
    ).encode()


def results(*each: str) -> bytes:
    rows = "".join(f"<result>{one}<success>true</success></result>" for one in each)
    return soap(f"<findDuplicatesResponse>{rows}</findDuplicatesResponse>")


def rule(allow_save: str, size: int, ids: tuple[str, ...] = ()) -> str:
    named = "".join(f"<matchRecords><record><type>Lead</type><Id>{each}</Id></record></matchRecords>" for each in ids)
    by_rule = f"<matchResults><entityType>Lead</entityType>{named}<rule>M</rule><size>{size}</size></matchResults>"
    told = f"<allowSave>{allow_save}</allowSave><duplicateRule>R</duplicateRule>"
    return f"<duplicateResults>{told}{by_rule}</duplicateResults>"


@pytest.mark.parametrize(
    ("result", "ids", "allow_save", "all_named", "why"),
    [
        (rule("true", 1, (ONE,)) + rule("false", 0), [ONE], True, True, NO_MATCH_NAMED),
        (rule("true", 1, (ONE,)) + rule("false", 1, (TWO,)), [ONE, TWO], False, True, NO_MATCH_NAMED),
        (rule("true", 2, (ONE,)), [ONE], True, False, NO_MATCH_NAMED),
        (rule("false", 3), [], False, False, NO_MATCH_NAMED),
        (rule("false", 0), [], False, True, NOTHING_FOUND),
        ("", [], False, True, NOTHING_FOUND),
        ("<errors><statusCode>INVALID_FIELD</statusCode></errors>", [], False, True, NOTHING_FOUND),
    ],
    ids=["another rule finds nothing", "one blocks", "one is hidden", "all hidden", "no match", "no rule", "an error"],
)
def test_find_duplicates_counts_the_rules_that_found_something(
    canned_org: Any,
    reply: Any,
    find: FindDuplicatesLookup,
    result: str,
    ids: list[str],
    allow_save: bool,
    all_named: bool,
    why: str,
) -> None:
    canned_org.answers(reply(body=results(result), headers={"Content-Type": "text/xml"}))
    [found] = find.look_up([record()])  # type: ignore[misc]
    assert isinstance(found, DuplicatesFound)
    assert [match.record_id for match in found.matches or ()] == ids
    assert (found.allow_save, found.all_named, found.why_unnamed) == (allow_save, all_named, why)


def test_rows_that_xml_cannot_carry_are_not_asked_about(
    canned_org: Any, reply: Any, find: FindDuplicatesLookup
) -> None:
    canned_org.answers(reply(body=results(""), headers={"Content-Type": "text/xml"}))
    rows = [Record(1, "A", {"Name": "\x01"}, "0"), Record(2, "B", {"Name": "b"}, "0")]
    assert [each.why_unnamed for each in find.look_up(rows)] == [NO_MATCH_NAMED, NOTHING_FOUND]  # type: ignore[union-attr]


def test_no_answer_leaves_nothing_in_doubt(canned_org: Any, reply: Any, find: FindDuplicatesLookup) -> None:
    for broken in (results("", ""), b"busy", soap("")):
        canned_org.answers(reply(body=broken, headers={"Content-Type": "text/xml"}))
        with pytest.raises(TransientCallError) as raised:
            find.look_up([record()])
        assert not isinstance(raised.value, OutcomeUnknownError)
        assert not raised.value.in_doubt


def test_without_an_active_rule_nothing_blocks() -> None:
    inactive = dict.fromkeys(("Lead_Email", "Lead_Matches_Contact", "Standard_Lead_Duplicate_Rule"))
    with EmulatedOrg.start({"extends": "default", "duplicate_rules": inactive}) as org:
        access = {"access_token": org.access_token, "instance_url": org.url}
        session = SalesforceSession(from_parts("c", "salesforce_dedup", None, None, None, access))
        rows = [Record(n, f"A-{n}", {"LastName": "X", "Company": "Y"}, "0") for n in (1, 2)]
        for lookup in (FindDuplicatesLookup(session, sobject=LEAD), PredupeLookup(session, sobject=LEAD)):
            assert {each.why_unnamed for each in lookup.look_up(rows)} == {NOTHING_FOUND}  # type: ignore[union-attr]
        session.close()
