"""Whatever Salesforce says about a row becomes exactly one outcome, and never a success that was not said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, KeyHeldByMany, Match, Saved, Unanswered
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.salesforce.ports import ChunkRefused, RecordUpdate
from airflow_sf_dedup.salesforce.wire import rest
from airflow_sf_dedup.salesforce.wire.rest import WriteOptions
from tests.salesforce.answers import answer

ID, OTHER = "0038M0000016Wv8QAE", "0015c00002Lz9mUAAR"
ROWS = answer("collections_rows.json")
ROLLED_BACK = ROWS[5]["errors"][0]["message"]


@pytest.mark.parametrize(
    ("row", "outcome"),
    zip(
        ROWS,
        [
            Saved(ID, True),
            Saved(ID, False),
            Saved(ID, None),
            DuplicatesFound("Use one of these records?", None),
            Failed("MALFORMED_ID", "bad id", ("AccountId",)),
            Failed("ALL_OR_NONE_OPERATION_ROLLED_BACK", ROLLED_BACK),
            KeyHeldByMany(ROWS[6]["errors"][0]["message"], (OTHER, ID)),
            Failed("REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]"),
            Failed("FIELD_CUSTOM_VALIDATION_EXCEPTION", "no", ("Phone",)),
            Unanswered("success without a record id"),
            Unanswered("neither success nor an error"),
            Unanswered("the answer is no object"),
        ],
        strict=True,
    ),
    ids=[
        "created",
        "updated, 15 characters",
        "saved, not said how",
        "blocked",
        "failed with created true",
        "rolled back with an id",
        "key held by many",
        "no fields",
        "blocked and invalid",
        "success without id",
        "nothing said",
        "no object",
    ],
)
def test_each_row_of_a_collection_has_its_outcome(row: Any, outcome: Any) -> None:
    assert rest.read_row(row) == outcome


@pytest.mark.parametrize(
    ("name", "match", "allow_save"),
    [
        (
            "duplicates_v54_alert.json",
            Match(ID, "Contact", "Standard_Contact_Duplicate_Rule", "Standard_Contact_Match_Rule_v1_1",
                  "FuzzyMatchEngine", 100.0, True),
            True,
        ),
        (
            "duplicates_v56_portuguese.json",
            Match(OTHER, "Account", "Contas", "Contas_regra_de_correspond_ncia_17_06_21", "ExactMatchEngine",
                  100.0, False),
            False,
        ),
        (
            "duplicates_v62_block.json",
            Match(ID, "Contact", "Contact_Duplicate_Rule", "Contact_Duplicate_Matching_Rule", "ExactMatchEngine",
                  100.0, False),
            False,
        ),
    ],
    ids=["duplicateResut", "another language", "duplicateResult"],
)  # fmt: skip
def test_both_spellings_and_any_language_name_the_match(name: str, match: Match, allow_save: bool) -> None:
    [error] = answer(name)
    expected = DuplicatesFound(error["message"], (match,), allow_save=allow_save, rules=(match.duplicate_rule,))
    assert rest.read_errors([error]) == expected


def test_a_bare_error_does_not_say_what_matched() -> None:
    found = rest.read_errors(answer("duplicates_bare.json"))
    assert found == DuplicatesFound("Use one of these records?", None)


def duplicate_error(**changes: Any) -> dict[str, Any]:
    [error] = answer("duplicates_v54_alert.json")
    error["duplicateResut"].update(changes)
    return dict(error)


def test_several_rules_that_block_a_row_are_all_named_and_all_have_to_allow_the_save() -> None:
    both = rest.read_errors([duplicate_error(), duplicate_error(allowSave=False, duplicateRule="Second")])
    assert isinstance(both, DuplicatesFound)
    assert [match.duplicate_rule for match in both.matches or ()] == ["Standard_Contact_Duplicate_Rule", "Second"]
    assert not both.allow_save
    assert both.all_named


def test_a_rule_that_names_no_record_still_forbids_the_save() -> None:
    found = rest.read_errors([duplicate_error(), duplicate_error(allowSave=False, matchResults=[])])
    assert isinstance(found, DuplicatesFound)
    assert not found.allow_save


def match_result(*ids: Any, size: int | None = None) -> list[dict[str, Any]]:
    records = [{"record": {"attributes": {"type": "Lead"}, "Id": record_id}} for record_id in ids]
    return [{"entityType": "Lead", "matchRecords": records, "size": len(ids) if size is None else size}]


@pytest.mark.parametrize(
    ("errors", "all_named"),
    [
        ([duplicate_error(matchResults=match_result(ID))], True),
        ([duplicate_error(matchResults=match_result())], True),
        ([duplicate_error(matchResults=match_result(ID, size=2))], False),
        ([duplicate_error(matchResults=match_result(ID, None))], False),
        ([duplicate_error(matchResults=match_result(ID, "not an id"))], False),
        ([duplicate_error(matchResults=match_result(ID)), answer("duplicates_bare.json")[0]], False),
    ],
    ids=["one", "none", "more counted", "one without id", "one unreadable", "a rule that says nothing"],
)
def test_whether_all_matches_are_named_is_known(errors: list[dict[str, Any]], all_named: bool) -> None:
    found = rest.read_errors(errors)
    assert isinstance(found, DuplicatesFound)
    assert found.all_named is all_named


def test_chunks_are_joined_by_reference_and_what_is_missing_is_unanswered() -> None:
    answers = rest.read_composite(answer("composite_mixed.json"), [1, 2, 1, 1, 1, 2, 1, 1, 1])
    refused = "Cannot deserialize instance of date from VALUE_STRING value 2024-13-45"
    assert answers == [
        ChunkRefused("JSON_PARSER_ERROR", refused),
        [Unanswered("the answer does not mention the chunk")] * 2,
        [Saved(ID, True)],
        ChunkRefused("NOT_FOUND", "The requested resource does not exist"),
        ChunkRefused("HTTP_503", ""),
        [Unanswered("2 rows sent, 1 answered")] * 2,
        [Unanswered("the answer to the chunk is no list of rows")],
        ChunkRefused("HTTP_503", "STRANGE_NEW_CODE: away"),
        ChunkRefused("STRANGE_NEW_CODE", "bad value"),
    ]


@pytest.mark.parametrize(
    "document", [None, [], {}, "busy", {"compositeResponse": {}}, {"compositeResponse": [1]}], ids=str
)
def test_an_answer_that_is_none_leaves_every_row_unanswered(document: Any) -> None:
    [outcomes] = rest.read_composite(document, [3])
    assert outcomes == [Unanswered("the answer does not mention the chunk")] * 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from([ID, "DUPLICATES_DETECTED"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["id", "success", "errors", "statusCode", "message", "fields", "duplicateResult", "matchResults",
             "matchRecords", "record", "Id", "size", "matchConfidence", "created", "attributes"]
        ),
        inner,
        max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip


@given(JSON)
def test_no_answer_breaks_the_reader_and_none_is_taken_for_a_success(row: Any) -> None:
    outcome = rest.read_row(row)
    assert not isinstance(outcome, Saved) or (row["success"] is True and row["id"][:15] == outcome.record_id[:15])


@given(JSON, st.integers(0, 3))
def test_no_chunk_breaks_the_reader(body: Any, size: int) -> None:
    chunk = rest.read_chunk({"httpStatusCode": 200, "body": body}, size)
    assert isinstance(chunk, list)
    assert len(chunk) == size


@pytest.mark.parametrize(
    ("message", "ids"),
    [
        ("duplicates value on record with id: 00Q58000003tW4u", ("00Q58000003tW4uEAE",)),
        (f"id: {ID}:--", (ID,)),
        ("id: <unknown>", ()),
        ("internationalize", ()),
        (f"[{ID}, {ID}]", (ID,)),
        ("", ()),
    ],
)
def test_only_record_ids_are_read_from_a_message(message: str, ids: tuple[str, ...]) -> None:
    assert rest.record_ids_in(message) == ids


@pytest.mark.parametrize(
    ("options", "duplicates", "assign"),
    [
        (WriteOptions(), "allowSave=false; includeRecordDetails=false; runAsCurrentUser=false", "FALSE"),
        (
            WriteOptions(True, allow_save=True, run_as_current_user=True),
            "allowSave=true; includeRecordDetails=false; runAsCurrentUser=true",
            "TRUE",
        ),
        (
            WriteOptions("01Q000000000001"),
            "allowSave=false; includeRecordDetails=false; runAsCurrentUser=false",
            "01Q000000000001",
        ),
    ],
    ids=["defaults", "all on", "one rule"],
)
def test_headers_always_say_what_they_mean(options: WriteOptions, duplicates: str, assign: str) -> None:
    assert options.headers() == {"Sforce-Duplicate-Rule-Header": duplicates, "Sforce-Auto-Assign": assign}


def test_every_subrequest_carries_the_headers_and_nothing_is_collated() -> None:
    request = rest.composite(rest.Subrequest("PATCH", "/url", body, {"H": "1"}) for body in "ab")
    assert (request["allOrNone"], request["collateSubrequests"]) == (False, False)
    assert [part["referenceId"] for part in request["compositeRequest"]] == ["chunk0", "chunk1"]
    assert all(part["httpHeaders"] == {"H": "1"} for part in request["compositeRequest"])


def test_bodies_keep_absent_and_null_apart() -> None:
    record = Record(1, "A", {"Key__c": "A", "Phone": None}, "0")
    assert rest.upsert_body("Lead", [record])["records"] == [
        {"attributes": {"type": "Lead"}, "Key__c": "A", "Phone": None}
    ]
    update = RecordUpdate(ID, {"Key__c": "A"})
    assert rest.update_body("Lead", [update])["records"] == [{"attributes": {"type": "Lead"}, "id": ID, "Key__c": "A"}]


# -- what an org says is bounded and printable -------------------------------------------------------------------

LOUD = "\x1b]0;owned\x07\x9b2J\u202e" + "X" * 3_000_000
MATCHED = {"record": {"Id": "00Q000000000001", "type": "Lead"}, "matchConfidence": 90.0}


def error(**members):
    return {"success": False, "errors": [{"statusCode": "X", "message": "m", **members}]}


def found(**members):
    result = {"duplicateRule": "R", "matchResults": [{"rule": "M", "matchEngine": "E", "matchRecords": [MATCHED]}]}
    return error(statusCode="DUPLICATES_DETECTED", duplicateResult={**result, **members})


SAID = {
    "code": error(statusCode=LOUD),
    "message": error(message=LOUD),
    "fields": error(fields=[LOUD] * 10_000),
    "rule": found(duplicateRule=LOUD),
    "matching rule": found(matchResults=[{"rule": LOUD, "matchEngine": LOUD, "matchRecords": [MATCHED]}]),
    "message of a duplicate": {**found(), "errors": [{**found()["errors"][0], "message": LOUD}]},
    "message of a key held by many": error(statusCode="DUPLICATE_EXTERNAL_ID", message=LOUD),
}


@pytest.mark.parametrize("row", SAID.values(), ids=SAID.keys())
def test_what_an_org_says_of_a_row_is_bounded_and_printable(row):
    shown = repr(rest.read_row(row))
    assert len(shown) < 150_000
    assert not any(escape in shown for escape in ("\\x1b", "\\x9b", "\\x07", "\\u202e"))


def test_the_refusal_of_a_chunk_is_bounded_and_printable():
    body = [{"errorCode": LOUD, "message": LOUD}]
    refused = rest.read_chunk({"httpStatusCode": 403, "body": body}, 1)
    assert isinstance(refused, ChunkRefused)
    assert len(refused.message) <= 20_000
    assert (refused.code + refused.message).isprintable()


@pytest.mark.parametrize(
    "name", ["Lead WHERE Id", "../oauth2", "", 5, LOUD], ids=["soql", "path", "empty", "number", "long"]
)
def test_a_match_of_what_is_no_sobject_has_none(name):
    match = {**MATCHED, "record": {"Id": "00Q000000000001", "type": name}}
    row = found(matchResults=[{"rule": "M", "matchEngine": "E", "matchRecords": [match]}])
    outcome = rest.read_row(row)
    assert [match.sobject for match in outcome.matches or ()] == [""]
