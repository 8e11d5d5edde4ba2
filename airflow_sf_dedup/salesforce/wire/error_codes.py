"""What each error code of Salesforce asks of us. A pure table: a code a line, with its reason and its source.

Sources: *Error codes* is the list of status codes of the SOAP API developer guide, *REST status codes* the
page of the REST API developer guide, *OAuth errors* the help page "OAuth 2.0 authorization errors", *seen* what
public clients met, *this package* a word of our own. ``when`` narrows a line to messages that contain that text
(compared without case); texts are not part of Salesforce's contract, so such a line only refines the line of the
bare code.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Handling(Enum):
    """What helps after this code."""

    #: Send the same call again, seconds later.
    RETRY_CALL = "retry_call"
    #: Send this row again, apart or later; the rest of the call is not concerned.
    RETRY_ROW = "retry_row"
    #: Log in again, once, and send the call again.
    RELOGIN = "relogin"
    #: Stop sending; a limit of the org is used up until time passes.
    BACK_OFF = "back_off"
    #: Stop the load: every further call or row would meet the same.
    FATAL = "fatal"
    #: Give up on this row or call; the same bytes are refused again.
    PERMANENT = "permanent"


class Remedy(Enum):
    """What somebody has to change after a FATAL or PERMANENT code."""

    #: The credentials. Never sent again unchanged: Salesforce locks users out.
    CREDENTIALS = "credentials"
    #: A permission, a licence, storage or another matter of the org's administrator.
    ADMINISTRATION = "administration"
    #: The request itself: its data, its fields, its size.
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """How one code is handled."""

    code: str
    handling: Handling
    reason: str
    source: str
    #: What has to change when a repeat does not help.
    remedy: Remedy = Remedy.REQUEST
    #: True: the request may have been carried out although this was the answer.
    outcome_unknown: bool = False
    #: The rule holds only for messages that contain this text.
    when: str = ""
    #: True: the work was too much for one transaction; the same rows pass in smaller portions.
    fewer_rows_help: bool = False
    #: True: it speaks of the org, also where it stands at a row: every other row meets the same.
    of_the_org: bool = False
    #: False: the code is in no line of the table.
    listed: bool = True


def _call(
    code: str, reason: str, source: str, *, unknown: bool = False, when: str = "", fewer_rows_help: bool = False
) -> ErrorRule:
    return ErrorRule(
        code,
        Handling.RETRY_CALL,
        reason,
        source,
        outcome_unknown=unknown,
        when=when,
        fewer_rows_help=fewer_rows_help,
    )


def _row(code: str, reason: str, source: str, *, when: str = "") -> ErrorRule:
    return ErrorRule(code, Handling.RETRY_ROW, reason, source, when=when)


def _login(code: str, reason: str, source: str) -> ErrorRule:
    return ErrorRule(code, Handling.FATAL, reason, source, remedy=Remedy.CREDENTIALS)


def _admin(code: str, reason: str, source: str) -> ErrorRule:
    return ErrorRule(code, Handling.FATAL, reason, source, remedy=Remedy.ADMINISTRATION)


def _fatal(code: str, reason: str, source: str) -> ErrorRule:
    return ErrorRule(code, Handling.FATAL, reason, source)


def _never(code: str, reason: str, source: str, *, when: str = "") -> ErrorRule:
    return ErrorRule(code, Handling.PERMANENT, reason, source, when=when)


def _relogin(code: str, reason: str, source: str) -> ErrorRule:
    return ErrorRule(code, Handling.RELOGIN, reason, source)


def _limit(code: str, reason: str, source: str, *, when: str = "") -> ErrorRule:
    return ErrorRule(code, Handling.BACK_OFF, reason, source, when=when, of_the_org=True)


def _full(code: str, reason: str, source: str) -> ErrorRule:
    return ErrorRule(code, Handling.FATAL, reason, source, remedy=Remedy.ADMINISTRATION, of_the_org=True)


def _wrapped(code: str) -> tuple[ErrorRule, ...]:
    """The lines of a code under which Salesforce reports what happened inside a trigger or a flow."""
    locked = tuple(_row(code, f"{_INSIDE} met a locked row", _SEEN, when=text) for text in _LOCKED)
    too_much = tuple(
        ErrorRule(
            code, Handling.RETRY_ROW, f"{_INSIDE} {reason}", "Apex governor limits", when=text, fewer_rows_help=True
        )
        for text, reason in _TOO_MUCH.items()
    )
    return (*locked, *too_much)


_CODES = "Error codes"
_REST = "REST status codes"
_OAUTH = "OAuth errors"
_SEEN = "seen"
_OURS = "this package"
_INSIDE = "a trigger or a flow"

#: How a lock reads in the message of another code.
_LOCKED = ("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access")
#: How the limits of one transaction read there, and what each means. All rows of a chunk share them.
_TOO_MUCH = {
    "CPU time limit": "ran out of CPU time",
    "Too many SOQL queries": "ran out of queries",
    "Too many query rows": "read too many rows",
    "Too many SOSL queries": "ran out of searches",
    "Too many DML": "ran out of writes",
    "heap size": "ran out of memory",
    "Too many callouts": "ran out of callouts",
    "Too many future calls": "ran out of future calls",
    "Too many queueable jobs": "ran out of queueable jobs",
    "Too many Email Invocations": "ran out of e-mails",
    "System.LimitException": "ran into a limit of one transaction",
}

#: One line per code. A line with ``when`` stands before the line of its bare code.
RULES: tuple[ErrorRule, ...] = (
    # -- the org is busy or away -------------------------------------------------------------------
    _call("SERVER_UNAVAILABLE", "the server is too busy", _CODES, unknown=True),
    _call("API_CURRENTLY_DISABLED", "the API is switched off for a while", _CODES),
    _call("API_TEMPORARILY_UNAVAILABLE", "the Bulk API is away for a while", "Bulk API errors"),
    _call("TOO_MANY_APEX_REQUESTS", "documented as transient", _CODES),
    _call(
        "REQUEST_RUNNING_TOO_LONG",
        "the request ran into the org's time limit",
        _CODES,
        unknown=True,
        fewer_rows_help=True,
    ),
    _call("QUERY_TIMEOUT", "the query ran into the org's time limit", _CODES, fewer_rows_help=True),
    _call("INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "the org is read-only for maintenance", _CODES),
    _call("TERRITORY_REALIGN_IN_PROGRESS", "territories are being realigned", _CODES),
    _call("UNKNOWN_EXCEPTION", "an error inside Salesforce", _CODES, unknown=True),
    _call("INTERNAL_ERROR", "an error inside Salesforce", _CODES, unknown=True),
    _call("INVALID_SERVER_ERROR", "an error inside Salesforce", _CODES, unknown=True),
    _call("TXN_SECURITY_METERING_ERROR", "the transaction policy could not be measured", _CODES),
    _call("SERVER_ERROR", "the login server met an error", _OAUTH),
    _call("TEMPORARILY_UNAVAILABLE", "the login server is away for a while", _OAUTH),
    _call("LOGIN_RATE_EXCEEDED", "too many logins of this user within an hour", _SEEN),
    # -- limits ------------------------------------------------------------------------------------
    # Which text means which limit is unconfirmed. Only a text that says so is taken for the one that passes in
    # seconds; any other is the daily one, which must not be hammered.
    _limit("REQUEST_LIMIT_EXCEEDED", "the daily number of calls is used up", _CODES, when="TotalRequests"),
    _call("REQUEST_LIMIT_EXCEEDED", "too many long calls at the same time", _CODES, when="concurrent"),
    _limit("REQUEST_LIMIT_EXCEEDED", "the daily number of calls is used up", _CODES),
    _limit("EXCEEDED_QUOTA_API", "the daily number of calls is used up", _SEEN),
    # -- the login ---------------------------------------------------------------------------------
    _relogin("INVALID_SESSION_ID", "the session has expired or was revoked", _CODES),
    _login("INVALID_AUTH_HEADER", "the Authorization header is unusable", _REST),
    _login("INVALID_LOGIN", "wrong user name, password or token, or locked out", _CODES),
    _login("LOGIN_MUST_USE_SECURITY_TOKEN", "the address is not trusted: a security token is due", _CODES),
    _login("INVALID_OPERATION_WITH_EXPIRED_PASSWORD", "the password has expired", _CODES),
    _login("PASSWORD_LOCKOUT", "the user is locked out", _CODES),
    _login("LOGIN_DURING_RESTRICTED_TIME", "the user may not log in at this hour", _CODES),
    _login("LOGIN_DURING_RESTRICTED_DOMAIN", "the user may not log in from this address", _CODES),
    _login("ORG_LOCKED", "the org is locked", _CODES),
    _login("INVALID_SSO_GATEWAY_URL", "single sign-on is misconfigured", _CODES),
    _login("INVALID_GRANT", "the user, the password or the assertion was not accepted", _OAUTH),
    _login("INVALID_CLIENT", "consumer key or secret are wrong", _OAUTH),
    _login("INVALID_CLIENT_ID", "the consumer key is wrong", _OAUTH),
    _login("INVALID_CLIENT_CREDENTIALS", "the consumer secret is wrong", _OAUTH),
    _login("INVALID_APP_ACCESS", "the user may not use this connected app", _OAUTH),
    _login("INACTIVE_USER", "the user is not active", _OAUTH),
    _login("INACTIVE_ORG", "the org is not active", _OAUTH),
    _login("UNAUTHORIZED_CLIENT", "the connected app may not log in this way", _OAUTH),
    _login("UNSUPPORTED_GRANT_TYPE", "the org does not offer this way to log in", _OAUTH),
    # -- permissions and the org's own set-up ------------------------------------------------------
    _admin("API_DISABLED_FOR_ORG", "the org or the user has no API access", _CODES),
    _admin("INSUFFICIENT_ACCESS", "the user may not do this", _CODES),
    _admin("INSUFFICIENT_ACCESS_OR_READONLY", "the user may not write this record", _CODES),
    _admin("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "the user may not use the record referred to", _CODES),
    _admin("FUNCTIONALITY_NOT_ENABLED", "the org does not have this feature", _CODES),
    _admin("FUNCTIONALITY_TEMPORARILY_UNAVAILABLE", "the feature is switched off for a while", _CODES),
    _admin("TXN_SECURITY_NO_ACCESS", "a transaction policy forbids it", _CODES),
    _admin("TXN_SECURITY_RUNTIME_ERROR", "a transaction policy failed", _CODES),
    _admin("TXN_SECURITY_APEX_ERROR", "a transaction policy failed", _CODES),
    *_wrapped("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"),
    _admin("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "a trigger of the org refuses it", _CODES),
    *_wrapped("CANNOT_EXECUTE_FLOW_TRIGGER"),
    _never("CANNOT_EXECUTE_FLOW_TRIGGER", "a flow of the org refuses the row", _CODES),
    _full("STORAGE_LIMIT_EXCEEDED", "the org's storage is full", _CODES),
    _full("EXCEEDED_QUOTA", "a size limit of the org is used up", _CODES),
    _full("LICENSE_LIMIT_EXCEEDED", "the org's licences are used up", _CODES),
    # -- the request as a whole --------------------------------------------------------------------
    _fatal("INVALID_EXTERNAL_ID_FIELD_NAME", "the field is not an external ID", _CODES),
    _fatal("INVALID_TYPE", "there is no such sObject, or the user may not see it", _CODES),
    _fatal("NOT_FOUND", "there is no such resource", _REST),
    _fatal("INVALID_ENTITY_FOR_UPSERT", "this sObject cannot be upserted", _CODES),
    _fatal("UNSUPPORTED_API_VERSION", "the org does not know this API version", _CODES),
    _fatal("EXCEEDED_ID_LIMIT", "too many records in one call", _CODES),
    *_wrapped("LIMIT_EXCEEDED"),
    _fatal("LIMIT_EXCEEDED", "too many records or too large a value in one call", _CODES),
    _never("EXCEEDED_MAX_SIZE_REQUEST", "the request is larger than 50 MB", _CODES),
    _fatal("METHOD_NOT_ALLOWED", "the resource does not know this method", _REST),
    _never("JSON_PARSER_ERROR", "a value cannot be read; it refuses the whole request", _REST),
    _never("XML_PARSER_ERROR", "a value cannot be read; it refuses the whole request", _REST),
    _never("CLIENT", "a SOAP fault that names no code: the envelope is wrong", "SOAP 1.1"),
    _call("SERVER", "a SOAP fault that names no code: an error inside Salesforce", "SOAP 1.1", unknown=True),
    _never("MALFORMED_QUERY", "the query is wrong", _CODES),
    _fatal("UNSENDABLE", "its address or a header of it cannot be sent as HTTP", _OURS),
    # -- the row: races and locks ------------------------------------------------------------------
    _row("UNABLE_TO_LOCK_ROW", "another transaction holds the record or its parent", _CODES),
    _row("ALL_OR_NONE_OPERATION_ROLLED_BACK", "another row of the call failed, not this one", _CODES),
    _row("PROCESSING_HALTED", "another part of the call failed, not this one", _REST),
    _row("BATCH_PROCESSING_HALTED", "another part of the call failed, not this one", _REST),
    _never(
        "DUPLICATE_VALUE",
        "the same key twice in one call; it goes apart",
        _CODES,
        when="Duplicate external id specified",
    ),
    _row("DUPLICATE_VALUE", "the value is taken: by a race for the key, or by another unique field", _CODES),
    # -- the row: duplicates -----------------------------------------------------------------------
    _never("DUPLICATES_DETECTED", "a duplicate rule refused it; a policy decides", _CODES),
    _never("DUPLICATE_EXTERNAL_ID", "more than one record holds the key", _CODES),
    # -- the row: its data -------------------------------------------------------------------------
    _never("INVALID_CROSS_REFERENCE_KEY", "the record referred to does not exist (yet)", _CODES),
    _never("ENTITY_IS_DELETED", "the record was deleted or merged away", _CODES),
    _never("ENTITY_IS_LOCKED", "an approval process locks the record", _CODES),
    _never("RECORD_IN_USE_BY_WORKFLOW", "an approval process locks the record", _CODES),
    _never("MALFORMED_ID", "not a record id", _CODES),
    _never("INVALID_ID_FIELD", "not a record id of this sObject", _CODES),
    _never("INVALID_FIELD", "no such field, or its reference was not found", _CODES),
    _never("INVALID_FIELD_FOR_INSERT_UPDATE", "the field cannot be written", _CODES),
    *_wrapped("FIELD_CUSTOM_VALIDATION_EXCEPTION"),
    _never("FIELD_CUSTOM_VALIDATION_EXCEPTION", "a validation rule refused it", _CODES),
    _never("FIELD_FILTER_VALIDATION_EXCEPTION", "a look-up filter refused it", _CODES),
    _never("FIELD_INTEGRITY_EXCEPTION", "the values do not fit together", _CODES),
    _never("REQUIRED_FIELD_MISSING", "a required field is empty", _CODES),
    _never("MISSING_ARGUMENT", "a required argument is empty", _CODES),
    _never("STRING_TOO_LONG", "the text is too long for its field", _CODES),
    _never("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "not a value of the picklist", _CODES),
    _never("INVALID_EMAIL_ADDRESS", "not an e-mail address", _CODES),
    _never("NUMBER_OUTSIDE_VALID_RANGE", "the number does not fit its field", _CODES),
    _never("INVALID_TYPE_ON_FIELD_IN_RECORD", "the value does not fit the type of its field", _CODES),
    _never("INACTIVE_OWNER_OR_USER", "the owner is not active", _CODES),
    # -- merge and undelete ------------------------------------------------------------------------
    *_wrapped("MERGE_FAILED"),
    _never("MERGE_FAILED", "the records cannot be merged", _CODES),
    _never("INVALID_MERGE_RECORD", "a record of the merge does not exist", _CODES),
    _never("UNDELETE_FAILED", "the record is not in the recycle bin", _CODES),
)

#: For answers whose body names no code, or one that is in no line above. 300 is no error, see ``session``.
STATUS_RULES: dict[int, ErrorRule] = {
    401: _relogin("HTTP_401", "the session has expired or was revoked", _REST),
    403: _admin("HTTP_403", "the user may not do this", _REST),
    408: _call("HTTP_408", "the request did not arrive in time", "RFC 9110"),
    409: _never("HTTP_409", "the request conflicts with the state of the record", _REST),
    410: _fatal("HTTP_410", "this API version is retired", _REST),
    412: _never("HTTP_412", "a precondition of the request does not hold", _REST),
    413: _never("HTTP_413", "the request is too large", "RFC 9110"),
    414: _fatal("HTTP_414", "the URL is longer than 16,384 bytes", _REST),
    415: _fatal("HTTP_415", "the resource does not know this content type", _REST),
    420: _call("HTTP_420", "Salesforce Edge has no routing for this host at the moment", _REST),
    421: _call("HTTP_421", "the request reached the wrong server", _REST),
    425: _call("HTTP_425", "too early", "RFC 8470"),
    428: _never("HTTP_428", "the request must name a precondition", _REST),
    429: _call("HTTP_429", "too many requests", "RFC 6585"),
    431: _fatal("HTTP_431", "URL and headers are longer than 16,384 bytes", _REST),
}

_SERVER_ERROR = _call("HTTP_5XX", "the server failed while it worked on the request", _REST, unknown=True)


def _by_code() -> dict[str, tuple[ErrorRule, ...]]:
    lines: dict[str, tuple[ErrorRule, ...]] = {}
    for rule in RULES:
        lines[rule.code] = (*lines.get(rule.code, ()), rule)
    return lines


_RULES_BY_CODE = _by_code()


def rule_for(code: str, message: str = "") -> ErrorRule:
    """The rule for ``code``; a code of no line is PERMANENT and says so by ``listed=False``."""
    text = message.lower()
    for rule in _RULES_BY_CODE.get(code.upper(), ()):
        if rule.when.lower() in text:
            return rule
    return ErrorRule(code, Handling.PERMANENT, "this code is not in our table", "none", listed=False)


def rule_for_status(status: int) -> ErrorRule | None:
    """The rule for an HTTP status that comes without a known code; ``None``: the status says nothing more."""
    if status >= 500:
        return _SERVER_ERROR
    return STATUS_RULES.get(status)
