"""Answers that went wrong on their way: each row has one outcome, in its place, and none is made up."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.outcomes import Outcome, Saved, Unanswered
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import CallError, OutcomeUnknownError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.collections import CollectionsApi
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.http.answers import Answer, read_rest, read_soap
from airflow_sf_dedup.salesforce.ports import ChunkRefused
from airflow_sf_dedup.salesforce.reader import OrgReader
from airflow_sf_dedup.salesforce.soap_lookup import SoapUpsertLookup
from airflow_sf_dedup.salesforce.wire import rest, soap
from tests.salesforce.answers import answer, answer_bytes

SIZES = [3, 1, 2]
JUNK: list[Any] = [
    *(None, True, False, 0, -1, 10**400, 1.5, float("nan"), float("inf"), "", "x", "true", "00Q000000000001XXX"),
    *([], {}, [None], [[]], {"id": None}, [5], [{}]),
]
TEXTS = ["", "x", "true", "false", "-1", "9" * 5000, "٣", "NaN", "00Q000000000001XXX"]


def id_of(chunk: int, row: int) -> str:
    return to_18(f"00Q00000000{chunk:02d}{row:02d}")


def saved(chunk: int, row: int) -> dict[str, Any]:
    return {"id": id_of(chunk, row), "success": True, "errors": [], "created": True}


def whole() -> dict[str, Any]:
    """An answer to three chunks."""
    return {
        "compositeResponse": [
            {
                "referenceId": f"chunk{chunk}",
                "httpStatusCode": 200,
                "httpHeaders": {},
                "body": [saved(chunk, row) for row in range(size)],
            }
            for chunk, size in enumerate(SIZES)
        ]
    }


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a JSON document with each of its keys."""
    keys = list(document) if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    for key in keys:
        yield document, key
        yield from places(document[key])


def spoil_json(draw: Callable[[st.SearchStrategy[Any]], Any], document: Any) -> None:
    """One thing goes wrong in a document."""
    found = list(places(document))
    if not found:
        return
    container, key = draw(st.sampled_from(found))
    match draw(st.sampled_from(["drop", "double", "replace", "turn round"])):
        case "drop":
            del container[key]
        case "double" if isinstance(container, list):
            container.insert(key, copy.deepcopy(container[key]))
        case "turn round" if isinstance(container, list) and container is document.get("compositeResponse"):
            container.reverse()
        case _:
            container[key] = copy.deepcopy(draw(st.sampled_from(JUNK)))


def assert_in_their_places(answers: list[Any], sizes: list[int]) -> None:
    assert len(answers) == len(sizes)
    for chunk, (rows, size) in enumerate(zip(answers, sizes, strict=True)):
        if isinstance(rows, ChunkRefused):
            continue
        assert len(rows) == size
        for row, outcome in enumerate(rows):
            assert isinstance(outcome, Outcome)
            assert not isinstance(outcome, Saved) or outcome.record_id == id_of(chunk, row)


@given(st.data())
def test_one_thing_wrong_in_a_composite_answer_moves_no_outcome(data: st.DataObject) -> None:
    document = whole()
    spoil_json(data.draw, document)
    assert_in_their_places(rest.read_composite(document, SIZES), SIZES)


@given(st.data(), st.integers(2, 12))
def test_whatever_goes_wrong_in_a_composite_answer_each_row_has_one_outcome(data: st.DataObject, times: int) -> None:
    blocked = answer("duplicates_v62_block.json")[0]
    document = whole()
    document["compositeResponse"][0]["body"][1] = {
        "success": False,
        "errors": [{"statusCode": "DUPLICATES_DETECTED", **blocked}],
    }
    for _ in range(times):
        spoil_json(data.draw, document)
    answers = rest.read_composite(document, SIZES)
    assert [isinstance(rows, ChunkRefused) or len(rows) for rows in answers] == [
        isinstance(rows, ChunkRefused) or size for rows, size in zip(answers, SIZES, strict=True)
    ]


def test_a_chunk_that_is_answered_twice_is_not_answered() -> None:
    document = whole()
    document["compositeResponse"].append({**document["compositeResponse"][1], "body": [saved(9, 9)]})
    rows = rest.read_composite(document, SIZES)[1]
    assert isinstance(rows, list)
    assert [type(row) for row in rows] == [Unanswered]


def spoil_xml(draw: Callable[[st.SearchStrategy[Any]], Any], root: Element) -> None:
    """One thing goes wrong in an envelope."""
    pairs = [(parent, child) for parent in root.iter() for child in parent]
    if not pairs:
        return
    parent, child = draw(st.sampled_from(pairs))
    match draw(st.sampled_from(["drop", "double", "nest", "text", "rename"])):
        case "drop":
            parent.remove(child)
        case "double":
            parent.append(copy.deepcopy(child))
        case "nest":
            child.append(copy.deepcopy(child))
        case "text":
            child.text = draw(st.sampled_from(TEXTS))
        case _:
            child.tag = draw(st.sampled_from(["result", "records", "id", "success", "{x}errors"]))


def upserted(size: int) -> Element:
    root = Element("{http://schemas.xmlsoap.org/soap/envelope/}Envelope")
    response = SubElement(SubElement(root, "Body"), "upsertResponse")
    for row in range(size):
        result = SubElement(response, "result")
        for name, text in {"created": "true", "id": id_of(0, row), "success": "true"}.items():
            SubElement(result, name).text = text
    return root


@given(st.data())
def test_one_thing_wrong_in_a_soap_answer_moves_no_outcome(data: st.DataObject) -> None:
    root = upserted(3)
    spoil_xml(data.draw, root)
    assert_in_their_places([soap.read_upsert(root, 3)], [3])


@pytest.mark.parametrize("name", ["soap_upsert.xml", "soap_query.xml"])
@given(data=st.data(), times=st.integers(1, 12))
def test_whatever_goes_wrong_in_a_soap_answer_it_is_read_or_is_a_failed_call(
    data: st.DataObject, times: int, name: str
) -> None:
    root = fromstring(answer_bytes(name))
    for _ in range(times):
        spoil_xml(data.draw, root)
    assert len(soap.read_upsert(root, 6)) == 6
    try:
        rows, locator = soap.read_query(root)
    except CallError as error:
        assert error.code == "UNREADABLE_ANSWER"
    else:
        assert all(isinstance(row, dict) for row in rows)
        assert locator != ""


@given(st.binary(max_size=60) | st.sampled_from([b"", b"<html></html>", b'{"a":', b"[]", b"<a/>", b"<Envelope>"]))
def test_bytes_that_are_no_answer_are_an_unknown_outcome(content: bytes) -> None:
    got = Answer(200, {}, content)
    for read in (lambda: read_rest(got, expects=list), lambda: read_soap(got)):
        try:
            document = read()
        except OutcomeUnknownError as error:
            assert error.code == "UNREADABLE_ANSWER"
        else:
            assert isinstance(document, list | bytes)


def cut_short() -> bytes:
    content = tostring(upserted(1))
    return content[: len(content) // 2]


GARBLED = {
    "empty": b"",
    "html": b"<html><body>Maintenance</body></html>",
    "cut short": b'{"compositeResponse":[{"referenceId":"chunk0"',
    "array": b"[]",
    "null": b"null",
    "number": b"17",
    "text": b'"done"',
    "not utf-8": b'{"compositeResponse":"\xff"}',
    "xml cut short": cut_short(),
    "entities": b'<!DOCTYPE a [<!ENTITY b "c">]><Envelope>&b;</Envelope>',
}
KEY = Field("Key__c", "Key", "string", external_id=True, unique=True)
LEAD = SObject("Lead", (KEY, Field("Id", "Id", "id"), Field("CreatedDate", "Created", "datetime")))
RECORD = Record(1, "A", {"Key__c": "A"}, "0")

CALLS: dict[str, Callable[[SalesforceSession], Any]] = {
    "upsert": lambda session: CollectionsApi(session, sobject="Lead", external_id_field="Key__c").upsert([[RECORD]]),
    "update": lambda session: CollectionsApi(session, sobject="Lead", external_id_field="Key__c").update([[]]),
    "look up": lambda session: SoapUpsertLookup(session, sobject=LEAD, external_id_field="Key__c").look_up([RECORD]),
    "by id": lambda session: OrgReader(session, sobject=LEAD, key_rule=KeyRule(KEY)).by_id(
        "Lead", [id_of(0, 0)], ["Id"]
    ),
    "holders": lambda session: OrgReader(session, sobject=LEAD, key_rule=KeyRule(KEY)).holders(["A"]),
    "deleted holders": lambda session: OrgReader(session, sobject=LEAD, key_rule=KeyRule(KEY)).deleted_holders(["A"]),
    "origins": lambda session: OrgReader(session, sobject=LEAD, key_rule=KeyRule(KEY)).origins([id_of(0, 0)]),
}


@pytest.mark.parametrize("content", GARBLED.values(), ids=GARBLED.keys())
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_garbled_answer_to_any_call_is_an_unknown_outcome(
    canned_org: Any, reply: Any, call: Callable[[SalesforceSession], Any], content: bytes
) -> None:
    canned_org.answers(reply(body=content))
    access = {"access_token": "t", "instance_url": canned_org.url}
    session = SalesforceSession(from_parts("c", "salesforce_dedup", None, None, None, access), sleep=lambda s: None)
    with pytest.raises(OutcomeUnknownError) as raised:
        call(session)
    assert raised.value.code == "UNREADABLE_ANSWER"
