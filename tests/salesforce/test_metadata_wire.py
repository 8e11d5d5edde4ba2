"""Duplicate rules go back to the Metadata API as they were read, but for one word."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring

from airflow_sf_dedup.salesforce.ports import RuleDefinition
from airflow_sf_dedup.salesforce.wire import metadata

NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
RULE = (
    "<fullName>Lead.By_mail</fullName><actionOnInsert>Block</actionOnInsert>"
    "<alertText>Is it &lt;one&gt; of these &amp; those?</alertText>"
    '<description xsi:nil="true"/>'
    "<duplicateRuleFilter><booleanFilter>1</booleanFilter><duplicateRuleFilterItems><field>Username</field>"
    "<sortOrder>1</sortOrder></duplicateRuleFilterItems></duplicateRuleFilter>"
    "<isActive>true</isActive><sortOrder>2</sortOrder>"
)


def answer(call: str, results: str) -> Element:
    return fromstring(
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f'<e:Body><{call}Response xmlns="{NAMESPACE}">{results}</{call}Response></e:Body></e:Envelope>'
    )


def read(*records: str) -> list[RuleDefinition]:
    return metadata.read_rules(answer("readMetadata", f"<result>{''.join(records)}</result>"))


def record(content: str) -> str:
    return f'<records xsi:type="DuplicateRule">{content}</records>'


def test_a_rule_goes_back_with_one_word_changed() -> None:
    [rule] = read(record(RULE))
    assert (rule.sobject, rule.name, rule.active) == ("Lead", "By_mail", True)
    sent = metadata.update_body([rule], active=False)
    assert RULE.replace("<isActive>true<", "<isActive>false<") in sent
    [again] = read(record(RULE.replace("<isActive>true<", "<isActive>false<")))
    assert again.is_alike(rule.elements)
    fromstring(metadata.envelope("a < b", sent))


def test_what_the_org_has_not_is_left_out() -> None:
    assert read('<records xsi:nil="true"/>') == []
    assert [rule.name for rule in read('<records xsi:nil="true"/>', record(RULE))] == ["By_mail"]
    assert read(record("<fullName>Lead.By_mail</fullName>")) == [], "it does not say whether it is on"


@pytest.mark.parametrize(
    ("change", "alike"),
    [
        pytest.param(("<isActive>true<", "<isActive>false<"), True, id="switched"),
        pytest.param(("<sortOrder>2<", "<sortOrder>5<"), True, id="moved"),
        pytest.param(("<sortOrder>1<", "<sortOrder>2<"), False, id="filter moved"),
        pytest.param((">Block<", ">Allow<"), False, id="action"),
        pytest.param(('<description xsi:nil="true"/>', ""), False, id="element gone"),
    ],
)
def test_which_changes_are_somebodys(change: tuple[str, str], alike: bool) -> None:
    [before], [after] = read(record(RULE)), read(record(RULE.replace(*change)))
    assert before.is_alike(after.elements) is alike


def test_of_several_rules_those_that_were_refused_are_named() -> None:
    saved = "<result><fullName>Lead.A</fullName><success>true</success></result>"
    errors = "<errors><message>At most 5</message><statusCode>LIMIT_EXCEEDED</statusCode></errors>"
    refused = f"<result>{errors}<fullName>Lead.B</fullName><success>false</success></result>"
    assert metadata.read_refusals(answer("updateMetadata", saved + refused)) == [
        metadata.Refused("Lead.B", "LIMIT_EXCEEDED", "At most 5")
    ]
    assert metadata.read_refusals(answer("updateMetadata", saved)) == []
    assert metadata.read_refusals(answer("readMetadata", "")) is None
