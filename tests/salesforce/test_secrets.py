"""No secret leaves: not in an error, not in what caused it, not in a row's message, whoever sends it back and how."""

from __future__ import annotations

import base64
import html
import io
import json
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.outcomes import Failed
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import CallError, LoginRefusedError, SalesforceDedupError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.collections import CollectionsApi
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.http.secrets import BLOT, Secrets
from airflow_sf_dedup.salesforce.reader import OrgReader
from airflow_sf_dedup.salesforce.soap_lookup import SoapUpsertLookup

#: As Salesforce makes them: the org's id, ``!``, and 96 characters.
TOKEN = "00D5g000004XXXX!AQ" + "".join(f"s3cr3t{number:02d}.Zq_" for number in range(9))
REFRESH = "5Aep861" + "RefreshSecret" * 6
PASSWORD = 'pa<ss&"wörd/+ %'
CONSUMER_SECRET = "C0FFEE1234567890ABCDEF" * 3
PLACES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a sentence": lambda secret: f"Bearer {secret} is not known",
    "percent-encoded": lambda secret: quote(secret, safe=""),
    "percent-encoded, but slashes": quote,
    "escaped for JSON": lambda secret: json.dumps(secret)[1:-1],
    "escaped for HTML": html.escape,
    "in a basic header": lambda secret: base64.b64encode(secret.encode()).decode(),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("secret", [TOKEN, PASSWORD, CONSUMER_SECRET], ids=["token", "password", "consumer secret"])
def test_a_secret_is_blotted_out_however_it_is_spelled(secret, place):
    said = Secrets([secret]).blot(f"before {place(secret)} after")
    assert said.startswith("before ")
    assert said.endswith(" after")
    assert place(secret) not in said
    assert BLOT in said


@given(st.integers(0, len(TOKEN)), st.integers(0, len(TOKEN)))
def test_no_longer_piece_of_a_token_is_left_where_it_was_cut(start, end):
    said = Secrets([TOKEN]).blot(f"«{TOKEN[start:end]}»")
    shown = [said[at : at + 12] for at in range(len(said) - 11)]
    assert not any(piece in TOKEN.partition("!")[2] for piece in shown)


def test_the_org_in_a_token_is_no_secret():
    assert Secrets([TOKEN]).blot("it is 00D5g000004XXXX, not 00D5g000004XXXXEA4") == (
        "it is 00D5g000004XXXX, not 00D5g000004XXXXEA4"
    )


@pytest.mark.parametrize("width", [64, 76, 10_000])
def test_a_private_key_is_known_however_its_lines_are_broken(width):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    body = "".join(pem.splitlines()[1:-1])
    lines = [body[start : start + width] for start in range(0, len(body), width)]
    said = Secrets([pem]).blot(f"the key {chr(10).join(lines)} is not liked")
    assert len(said) < len(body) / 4
    assert all(len(word) < 24 for word in said.split())


def test_a_word_that_stands_in_for_a_secret_does_not_spoil_every_text():
    assert Secrets(["t", "", "abcd"]).blot("that is not abcd") == "that is not abcd"


def test_each_new_secret_is_masked_once_in_each_spelling():
    masked: list[str] = []
    secrets = Secrets(["a secret/"], mask=masked.append)
    secrets.learn("a secret/", None, "")
    secrets.learn_token(TOKEN)
    secrets.learn_token(TOKEN)
    assert {"a secret/", "a%20secret%2F", TOKEN, quote(TOKEN, safe="")} <= set(masked)
    assert len(masked) == len(set(masked))


def test_an_answer_is_searched_for_tokens_only():
    secrets = Secrets(["success"])
    secrets.learn_token(TOKEN)
    assert secrets.blot_answer(b'{"success": true}') == b'{"success": true}'
    assert json.loads(secrets.blot_answer(json.dumps({"success": f"é {TOKEN}"}).encode())) == {"success": f"é {BLOT}"}


# -- errors of a session -----------------------------------------------------------------------------------------

KEY = Field("Key__c", "Key", "string", external_id=True, unique=True)
LEAD = SObject("Lead", (KEY, Field("Id", "Id", "id"), Field("CreatedDate", "Created", "datetime")))
RECORD = Record(1, "A", {"Key__c": "A"}, "0")


def everything_said(error: BaseException) -> str:
    """What a log of the error holds, with its attributes and all that it was caused by."""
    text = "".join(traceback.format_exception(error)) + repr(error)
    while error is not None:
        text += f"{error!r} {error} {vars(error)}"
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return text


@pytest.fixture
def masked() -> list[str]:
    return []


@pytest.fixture
def session(canned_org, reply, masked):
    """Has logged in, to an org that knows how to send back."""
    grant = {
        "access_token": TOKEN,
        "refresh_token": REFRESH,
        "instance_url": canned_org.url,
        "id": "https://x/id/00D5g000004XXXXEA4/0055g00000AAAAAAAA",
        "token_type": "Bearer",
    }
    canned_org.answers(reply(200, grant), path="/services/oauth2/token")
    extra = {"consumer_key": "3MVG9consumerkey", "consumer_secret": CONSUMER_SECRET, "domain": "acme.my"}
    parts = {**extra, "loopback_org": canned_org.url}
    settings = from_parts("sf", "salesforce_dedup", None, None, None, parts)
    session = SalesforceSession(settings, sleep=lambda seconds: None, attempts=2, mask=masked.append)
    session.check_org()
    return session


def test_the_token_of_a_login_is_masked_before_it_is_used(session, masked):
    assert {TOKEN, REFRESH, CONSUMER_SECRET} <= set(masked)
    assert "Bearer" not in masked


LOUD = [TOKEN, REFRESH, CONSUMER_SECRET, "3MVG9consumerkey"]
ECHOES: dict[str, Callable[[Any, str], Any]] = {
    "in a message": lambda reply, s: reply(400, [{"errorCode": "X", "message": f"no {s}"}]),
    "at the cut": lambda reply, s: reply(400, [{"errorCode": "X", "message": "x" * 500 + f" {s}"}]),
    "far behind the cut": lambda reply, s: reply(400, [{"errorCode": "X", "message": "x" * 9_950 + f" {s}"}]),
    "in a code": lambda reply, s: reply(400, [{"errorCode": f"X {s}", "message": "m"}]),
    "in a long code": lambda reply, s: reply(400, [{"errorCode": "X" * 110 + s, "message": "m"}]),
    "in a refusal without a list": lambda reply, s: reply(403, {"error": s, "error_description": s}),
    "in a redirect": lambda reply, s: reply(302, "", {"Location": f"https://x/{quote(s)}"}),
    "in the path of a redirect": lambda reply, s: reply(302, "", {"Location": "/" + "a" * 190 + quote(s)}),
    "in a content type": lambda reply, s: reply(200, "<html>", {"Content-Type": f"text/{s}"}),
    "in an expired session": lambda reply, s: reply(401, [{"errorCode": "INVALID_SESSION_ID", "message": s}]),
    "in a server error": lambda reply, s: reply(503, [{"errorCode": "SERVER_UNAVAILABLE", "message": s}]),
    "in a fault": lambda reply, s: reply(
        500,
        "<Envelope><Body><Fault><faultcode>sf:X</faultcode>"
        f"<faultstring>{html.escape(s)}</faultstring></Fault></Body></Envelope>",
    ),
    "in an encoding": lambda reply, s: reply(200, "{}", {"Content-Encoding": s}),
}
CALLS: dict[str, Callable[[SalesforceSession], Any]] = {
    "rest": lambda session: session.rest("POST", "composite", body={}, expects=dict),
    "upload": lambda session: session.upload("jobs/ingest/750/batches", io.BytesIO(b"Id"), content_type="text/csv"),
    "soap": lambda session: session.soap(lambda token: token.encode(), action="upsert"),
    "describe": lambda session: OrgReader(session, sobject=LEAD, key_rule=KeyRule(KEY)).describe("Lead"),
    "holders": lambda session: OrgReader(session, sobject=LEAD, key_rule=KeyRule(KEY)).holders(["A"]),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES.keys())
@pytest.mark.parametrize("secret", LOUD, ids=["token", "refresh token", "consumer secret", "consumer key"])
def test_what_is_sent_back_is_in_no_error(session, canned_org, reply, secret, echo, call):
    canned_org.answers(echo(reply, secret), path="/services/data")
    canned_org.answers(echo(reply, secret), path="/services/Soap")
    with pytest.raises(SalesforceDedupError) as raised:
        call(session)
    said = everything_said(raised.value)
    assert not any(secret[at : at + 12] in said for at in range(20, len(secret) - 11)), said
    assert secret not in said
    assert quote(secret, safe="") not in said
    assert len(str(raised.value)) < 1200


SAID_OF_A_ROW: dict[str, Callable[[str], Any]] = {
    "message": lambda s: {"statusCode": "X", "message": f"header was {s}"},
    "half of it": lambda s: {"statusCode": "X", "message": f"header was {s[:60]}"},
    "percent-encoded": lambda s: {"statusCode": "X", "message": quote(s, safe="")},
    "code": lambda s: {"statusCode": s, "message": "m"},
    "field": lambda s: {"statusCode": "X", "message": "m", "fields": [s]},
}


@pytest.mark.parametrize("error", SAID_OF_A_ROW.values(), ids=SAID_OF_A_ROW.keys())
def test_the_token_is_in_no_outcome_of_a_row(session, canned_org, reply, error):
    rows = [{"success": False, "errors": [error(TOKEN)]}]
    answer = {"compositeResponse": [{"referenceId": "chunk0", "httpStatusCode": 200, "body": rows}]}
    canned_org.answers(reply(200, answer), path="/composite")
    ((outcome,),) = CollectionsApi(session, sobject="Lead", external_id_field="Key__c").upsert([[RECORD]])
    assert isinstance(outcome, Failed)
    assert BLOT in repr(outcome)
    assert not any(TOKEN[at : at + 12] in repr(outcome) for at in range(16, len(TOKEN) - 11))


def test_the_token_is_in_no_outcome_of_a_look_up(session, canned_org, reply):
    result = (
        "<result><success>false</success><errors><statusCode>X</statusCode>"
        f"<message>{TOKEN}</message></errors></result>"
    )
    envelope = f"<Envelope><Body><upsertResponse>{result}</upsertResponse></Body></Envelope>"
    canned_org.answers(reply(200, envelope), path="/services/Soap")
    (outcome,) = SoapUpsertLookup(session, sobject=LEAD, external_id_field="Key__c").look_up([RECORD])
    assert isinstance(outcome, Failed)
    assert outcome.message == BLOT


def test_the_token_is_in_no_error_of_simple_salesforce(session, canned_org, reply):
    canned_org.answers(reply(400, [{"errorCode": "X", "message": f"no {TOKEN}"}]), path="/services/data")
    with pytest.raises(Exception, match="Malformed") as raised:
        session.simple_salesforce().limits()
    assert "s3cr3t" not in everything_said(raised.value)


@pytest.mark.parametrize(
    "place", [f"wrong: {CONSUMER_SECRET}", "x" * 290 + CONSUMER_SECRET, f"{CONSUMER_SECRET[:40]}…"]
)
def test_a_login_that_is_refused_with_its_own_words_shows_none(canned_org, reply, place):
    basic = base64.b64encode(f"key-of-app:{CONSUMER_SECRET}".encode()).decode()
    body = {"error": "invalid_client", "error_description": f"{place} {basic}"}
    canned_org.answers(reply(400, body), path="/services/oauth2/token")
    extra = {"consumer_key": "key-of-app", "consumer_secret": CONSUMER_SECRET, "domain": "acme.my"}
    parts = {**extra, "loopback_org": canned_org.url}
    session = SalesforceSession(from_parts("sf", "salesforce_dedup", None, None, None, parts))
    with pytest.raises(LoginRefusedError) as raised:
        session.rest("GET", "limits")
    said = everything_said(raised.value)
    assert not any(CONSUMER_SECRET[at : at + 12] in said for at in range(len(CONSUMER_SECRET) - 11))
    assert basic not in said


def test_the_assertion_of_a_jwt_is_masked_and_in_no_error(canned_org, reply, masked, tmp_path):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    (tmp_path / "key.pem").write_text(pem)
    extra = {"consumer_key": "key-of-app", "private_key_file_path": str(tmp_path / "key.pem")}
    parts = {**extra, "loopback_org": canned_org.url}
    settings = from_parts("sf", "salesforce_dedup", "loader@acme.com", None, None, parts)
    canned_org.answers(reply(400, {"error": "invalid_grant", "error_description": pem}), path="/services/oauth2/token")
    with pytest.raises(LoginRefusedError) as raised:
        SalesforceSession(settings, mask=masked.append).rest("GET", "limits")
    sent = canned_org.requests[0].body.decode()
    assertion = sent.partition("assertion=")[2].partition("&")[0]
    assert {assertion, pem} <= set(masked)
    assert pem.splitlines()[3][:20] not in everything_said(raised.value)


def test_a_proxys_password_is_in_no_error():
    extra = {"access_token": "x" * 30, "instance_url": "https://acme.my.salesforce.com"}
    proxies = "http://user:hidden%40word@127.0.0.1:1"
    settings = from_parts("sf", "salesforce_dedup", None, None, None, {**extra, "proxies": proxies})
    with pytest.raises(CallError) as raised:
        SalesforceSession(settings, attempts=1).rest("GET", "limits")
    said = everything_said(raised.value)
    assert "hidden%40word" not in said
    assert "hidden@word" not in said
