"""The table of error codes."""

import ast
import sys
from pathlib import Path

import pytest

from airflow_sf_dedup.salesforce import error_codes
from airflow_sf_dedup.salesforce.error_codes import RULES, Handling, Remedy, rule_for, rule_for_status


def test_every_line_gives_a_reason_and_a_source():
    assert all(rule.reason and rule.source and rule.listed for rule in RULES)


def test_every_code_has_one_line_and_the_refined_ones_stand_before_it():
    for code in {rule.code for rule in RULES}:
        lines = [rule.when for rule in RULES if rule.code == code]
        assert lines[-1] == "" or code == "", code
        assert "" not in lines[:-1], code


@pytest.mark.parametrize(
    ("code", "message", "handling"),
    [
        ("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access", Handling.RETRY_ROW),
        ("DUPLICATE_VALUE", "duplicate value found: Key__c duplicates value on record with id: 1", Handling.RETRY_ROW),
        ("DUPLICATE_VALUE", "Duplicate external id specified: a-1", Handling.PERMANENT),
        ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", Handling.BACK_OFF),
        ("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded.", Handling.RETRY_CALL),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "LeadTrigger: no", Handling.FATAL),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "T: UNABLE_TO_LOCK_ROW, unable to", Handling.RETRY_ROW),
        ("INVALID_SESSION_ID", "", Handling.RELOGIN),
        ("invalid_grant", "authentication failure", Handling.FATAL),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "", Handling.PERMANENT),
        ("SERVER_UNAVAILABLE", "", Handling.RETRY_CALL),
    ],
)
def test_a_code_is_handled_by_its_message_where_that_tells_more(code, message, handling):
    assert rule_for(code, message).handling is handling


def test_an_unknown_code_is_permanent_and_says_that_it_is_unknown():
    rule = rule_for("BRAND_NEW")
    assert (rule.code, rule.handling, rule.listed) == ("BRAND_NEW", Handling.PERMANENT, False)


def test_only_a_server_error_leaves_open_whether_the_request_was_carried_out():
    assert rule_for_status(503).outcome_unknown
    assert not rule_for_status(429).outcome_unknown
    assert rule_for_status(404) is None


def test_credentials_are_never_sent_again():
    assert all(rule.handling is Handling.FATAL for rule in RULES if rule.remedy is Remedy.CREDENTIALS)


def test_the_table_needs_nothing_but_the_standard_library():
    tree = ast.parse(Path(error_codes.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
