"""The table of error codes."""

import ast
import sys
from pathlib import Path

import pytest

from airflow_sf_dedup.salesforce.wire import error_codes
from airflow_sf_dedup.salesforce.wire.error_codes import RULES, Handling, Remedy, rule_for, rule_for_status


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
        ("REQUEST_LIMIT_EXCEEDED", "", Handling.BACK_OFF),
        ("REQUEST_LIMIT_EXCEEDED", "Límite de solicitudes superado", Handling.BACK_OFF),
        ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded, ConcurrentRequests not", Handling.BACK_OFF),
        ("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded.", Handling.RETRY_CALL),
        ("REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.", Handling.RETRY_CALL),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "LeadTrigger: no", Handling.FATAL),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "T: UNABLE_TO_LOCK_ROW, unable to", Handling.RETRY_ROW),
        ("CANNOT_EXECUTE_FLOW_TRIGGER", "The flow failed: UNABLE_TO_LOCK_ROW", Handling.RETRY_ROW),
        ("CANNOT_EXECUTE_FLOW_TRIGGER", "unable to obtain exclusive access to this record", Handling.RETRY_ROW),
        ("CANNOT_EXECUTE_FLOW_TRIGGER", "The flow failed: no owner", Handling.PERMANENT),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "T: UNABLE_TO_LOCK_ROW", Handling.RETRY_ROW),
        ("STRING_TOO_LONG", "value too large: UNABLE_TO_LOCK_ROW", Handling.PERMANENT),
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


#: Reference, "Error classification": every code of it by what to do about it.
CLASSES = {
    Handling.RETRY_ROW: """UNABLE_TO_LOCK_ROW DUPLICATE_VALUE ALL_OR_NONE_OPERATION_ROLLED_BACK PROCESSING_HALTED
        BATCH_PROCESSING_HALTED""",
    Handling.RETRY_CALL: """SERVER_UNAVAILABLE API_CURRENTLY_DISABLED API_TEMPORARILY_UNAVAILABLE TOO_MANY_APEX_REQUESTS
        REQUEST_RUNNING_TOO_LONG QUERY_TIMEOUT INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE
        TERRITORY_REALIGN_IN_PROGRESS UNKNOWN_EXCEPTION INTERNAL_ERROR INVALID_SERVER_ERROR
        TXN_SECURITY_METERING_ERROR""",
    Handling.BACK_OFF: "REQUEST_LIMIT_EXCEEDED",
    Handling.RELOGIN: "INVALID_SESSION_ID",
    Handling.FATAL: """INVALID_AUTH_HEADER INVALID_LOGIN LOGIN_MUST_USE_SECURITY_TOKEN
        INVALID_OPERATION_WITH_EXPIRED_PASSWORD PASSWORD_LOCKOUT API_DISABLED_FOR_ORG INSUFFICIENT_ACCESS
        INSUFFICIENT_ACCESS_OR_READONLY INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY FUNCTIONALITY_NOT_ENABLED
        TXN_SECURITY_NO_ACCESS TXN_SECURITY_RUNTIME_ERROR TXN_SECURITY_APEX_ERROR CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY
        INVALID_EXTERNAL_ID_FIELD_NAME INVALID_TYPE NOT_FOUND INVALID_ENTITY_FOR_UPSERT UNSUPPORTED_API_VERSION
        EXCEEDED_ID_LIMIT LIMIT_EXCEEDED STORAGE_LIMIT_EXCEEDED EXCEEDED_QUOTA LICENSE_LIMIT_EXCEEDED""",
    Handling.PERMANENT: """DUPLICATES_DETECTED DUPLICATE_EXTERNAL_ID INVALID_CROSS_REFERENCE_KEY ENTITY_IS_DELETED
        MALFORMED_ID INVALID_FIELD FIELD_CUSTOM_VALIDATION_EXCEPTION REQUIRED_FIELD_MISSING STRING_TOO_LONG
        INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST INVALID_EMAIL_ADDRESS NUMBER_OUTSIDE_VALID_RANGE
        FIELD_INTEGRITY_EXCEPTION INVALID_TYPE_ON_FIELD_IN_RECORD INACTIVE_OWNER_OR_USER MISSING_ARGUMENT
        EXCEEDED_MAX_SIZE_REQUEST ENTITY_IS_LOCKED RECORD_IN_USE_BY_WORKFLOW""",
}


@pytest.mark.parametrize(
    ("code", "handling"), [(code, handling) for handling, codes in CLASSES.items() for code in codes.split()]
)
def test_a_bare_code_is_handled_as_the_reference_says(code, handling):
    rule = rule_for(code)
    assert rule.listed
    assert rule.handling is handling


@pytest.mark.parametrize("status", [409, 410, 412, 413, 414, 415, 420, 421, 428, 429, 431])
def test_a_status_without_a_code_has_its_line(status):
    rule = rule_for_status(status)
    assert rule.code == f"HTTP_{status}"
    assert rule.reason
    assert rule.source


TOO_MUCH = [
    "LeadTrigger: System.LimitException: Apex CPU time limit exceeded",
    "LeadTrigger: Too many SOQL queries: 101",
    "LeadTrigger: Too many DML statements: 151",
    "LeadTrigger: Too many DML rows: 10001",
    "LeadTrigger: Apex heap size too large: 6000001",
    "LeadTrigger: Too many query rows: 50001",
]


@pytest.mark.parametrize("message", TOO_MUCH)
@pytest.mark.parametrize("code", ["CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "CANNOT_EXECUTE_FLOW_TRIGGER"])
def test_what_was_too_much_for_one_transaction_passes_in_smaller_portions(code, message):
    rule = rule_for(code, message)
    assert (rule.handling, rule.fewer_rows_help) == (Handling.RETRY_ROW, True)


@pytest.mark.parametrize("code", ["REQUEST_RUNNING_TOO_LONG", "QUERY_TIMEOUT"])
def test_what_took_too_long_passes_in_smaller_portions(code):
    assert rule_for(code).fewer_rows_help


@pytest.mark.parametrize("code", ["UNABLE_TO_LOCK_ROW", "DUPLICATE_VALUE", "STRING_TOO_LONG", "SERVER_UNAVAILABLE"])
def test_against_anything_else_smaller_portions_are_not_said_to_help(code):
    assert not rule_for(code, "Too many SOQL queries").fewer_rows_help
