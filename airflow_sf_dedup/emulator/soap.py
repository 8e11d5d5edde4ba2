"""The calls of the Partner API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator import soap_shapes as shapes
from airflow_sf_dedup.emulator.deleting import delete, undelete
from airflow_sf_dedup.emulator.drafts import Draft, MalformedText, read_text
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Response
from airflow_sf_dedup.emulator.in_progress import current
from airflow_sf_dedup.emulator.oauth import password_fits
from airflow_sf_dedup.emulator.org import Org
from airflow_sf_dedup.emulator.org_file import User
from airflow_sf_dedup.emulator.querying import QueryAnswer, run
from airflow_sf_dedup.emulator.saving import SaveOptions, save
from airflow_sf_dedup.emulator.schema import Field, Sobject
from airflow_sf_dedup.emulator.soap_describe import describe_result
from airflow_sf_dedup.emulator.soap_read import (
    SoapCall,
    SoapClientFault,
    local,
    read_envelope,
    read_sobject,
)
from airflow_sf_dedup.emulator.soql import parse
from airflow_sf_dedup.emulator.targets import Create, Update, Upsert, Verb
from airflow_sf_dedup.emulator.values import format_datetime

_MOST_RECORDS = 200
_MOST_RETRIEVED = 2000
_PAGE = 500
_SMALLEST_PAGE = 200
_LARGEST_PAGE = 2000
#: login() is gone from this version on (devdocs, "SOAP API login() retirement").
_NO_LOGIN_SINCE = 65.0


@dataclass(frozen=True, slots=True)
class Context:
    org: Org
    call: SoapCall
    user_id: str
    version: float
    url: str

    @property
    def options(self) -> SaveOptions:
        call = self.call
        return SaveOptions(
            user_id=self.user_id,
            allow_save=call.flag("DuplicateRuleHeader", "allowSave"),
            include_record_details=call.flag("DuplicateRuleHeader", "includeRecordDetails"),
            all_or_none=call.flag("AllOrNoneHeader", "allOrNone"),
            assign=call.flag("AssignmentRuleHeader", "useDefaultRule")
            or bool(call.header("AssignmentRuleHeader", "assignmentRuleId")),
        )


@dataclass(frozen=True, slots=True)
class Answer:
    results: str
    rows: int = 0


def answer(org: Org, body: bytes, *, namespace: str, version: float, url: str) -> Response:
    """The answer to one SOAP call: 200 with results, or 500 with a fault."""
    try:
        call = read_envelope(body)
        results = _login(org, call, version, url) if call.operation == "login" else _call(org, call, version, url)
    except (SoapClientFault, MalformedText) as error:
        return _response(500, shapes.client_fault(namespace, str(error)))
    except ApiError as error:
        return _response(500, shapes.fault(namespace, error.code, error.message), headers=error.headers)
    used, limit = org.accounting.api_calls, org.accounting.daily_limit
    return _response(200, shapes.envelope(namespace, call.operation, results.results, used, limit), results.rows)


def _response(status: int, body: bytes, rows: int = 0, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, body, headers or {}, content_type="text/xml; charset=utf-8", rows=rows)


def _call(org: Org, call: SoapCall, version: float, url: str) -> Answer:
    session = call.header("SessionHeader", "sessionId") or ""
    user_id = org.sessions.user_id(session)
    if user_id is None:
        message = "Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing session key"
        raise ApiError("INVALID_SESSION_ID", message)
    operation = OPERATIONS.get(call.operation)
    if operation is None:
        raise SoapClientFault(f"No operation available for request {call.operation}")
    current().admit()
    org.accounting.count(f"SOAP {call.operation}")
    current().begin()
    return operation(Context(org, call, user_id, version, url))


# --- who is there -----------------------------------------------------------------------------------------


def _login(org: Org, call: SoapCall, version: float, url: str) -> Answer:
    if version >= _NO_LOGIN_SINCE:
        raise ApiError("UNSUPPORTED_API_VERSION", "login() is not available in this version of the API")
    user = org.definition.user(call.text("username"))
    given = call.text("password") or ""
    if user is not None and user.security_token and given == user.password:
        message = (
            "Invalid username, password, security token; or user locked out. Are you at a new location? When "
            "accessing Salesforce--either via a desktop client or the API--from outside of your company's trusted "
            "networks, you must add a security token to your password to log in."
        )
        raise ApiError("LOGIN_MUST_USE_SECURITY_TOKEN", message)
    if user is None or not password_fits(user, given):
        raise ApiError("INVALID_LOGIN", "Invalid username, password, security token; or user locked out.")
    org.accounting.count_login()
    soap = f"{url}/services/Soap/u/{version}/{org.org_id[:15]}"
    session = org.sessions.open(user.user_id)
    return Answer(
        "<result>"
        f"<metadataServerUrl>{url}/services/Soap/m/{version}/{org.org_id[:15]}</metadataServerUrl>"
        f"<passwordExpired>false</passwordExpired><sandbox>false</sandbox><serverUrl>{soap}</serverUrl>"
        f"<sessionId>{session}</sessionId><userId>{user.user_id}</userId>"
        f"<userInfo>{_user_info(org, user)}</userInfo></result>"
    )


def _user_info(org: Org, user: User) -> str:
    name = " ".join(part for part in (user.first_name, user.last_name) if part)
    facts: dict[str, Any] = {
        "accessibilityMode": False,
        "currencySymbol": "$",
        "orgDefaultCurrencyIsoCode": "USD",
        "organizationId": org.org_id,
        "organizationMultiCurrency": False,
        "organizationName": org.definition.org_name,
        "profileId": "00e5g000000000AAAA",
        "roleId": None,
        "sessionSecondsValid": 7200,
        "userDefaultCurrencyIsoCode": None,
        "userEmail": user.email or user.username,
        "userFullName": name,
        "userId": user.user_id,
        "userLanguage": "en_US",
        "userLocale": "en_US",
        "userName": user.username,
        "userTimeZone": "GMT",
        "userType": "Standard",
        "userUiSkin": "Theme3",
    }
    return "".join(shapes.element(fact, value) for fact, value in facts.items())


def _get_user_info(context: Context) -> Answer:
    user = next(user for user in context.org.definition.users if user.user_id == context.user_id)
    return Answer(f"<result>{_user_info(context.org, user)}</result>")


def _get_server_timestamp(context: Context) -> Answer:
    now = format_datetime(context.org.clock()).replace("+0000", "Z")
    return Answer(f"<result><timestamp>{now}</timestamp></result>")


def _logout(context: Context) -> Answer:
    context.org.sessions.close(context.call.header("SessionHeader", "sessionId") or "")
    return Answer("")


# --- saving -----------------------------------------------------------------------------------------------


def _create(context: Context) -> Answer:
    return _saved(context, Create())


def _update(context: Context) -> Answer:
    return _saved(context, Update())


def _saved(context: Context, verb: Verb) -> Answer:
    results = save(context.org, _drafts(context), verb, context.options)
    return Answer("".join(map(shapes.save_result, results)), len(results))


def _upsert(context: Context) -> Answer:
    drafts = _drafts(context)
    name = (context.call.text("externalIDFieldName") or "").strip()
    key = _key_field(drafts[0].sobject, name) if drafts else None
    if key is None:
        return Answer("")
    results = save(context.org, drafts, Upsert(key), context.options)
    says_created = context.org.quirks.refused_rows_say_created
    shown = (shapes.upsert_result(each, refused_says_created=says_created) for each in results)
    return Answer("".join(shown), len(results))


def _key_field(sobject: Sobject, name: str) -> Field:
    if not name:
        raise ApiError("MISSING_ARGUMENT", "External ID field name is required for upsert")
    found = sobject.find(name)
    if found is None or not (found.upsert_key or found.kind == "id"):
        wanted = f"an External ID, Salesforce Id, or indexed field for {sobject.name}"
        message = f"Field name provided, {name} does not match {wanted}"
        raise ApiError("INVALID_FIELD", message)
    return found


def _drafts(context: Context) -> list[Draft]:
    """The drafts of the call's sObjects, which have to be of one type.

    :raises ApiError: too many, none such, several types, or a field that there is not.
    """
    empty_is_null = context.org.quirks.soap_empty_element == "null"
    elements = [each for each in context.call.body if local(each) in ("sObjects", "sobjects", "sObject")]
    if len(elements) > _MOST_RECORDS:
        message = f"record limit reached. cannot submit more than {_MOST_RECORDS} records into this call"
        raise ApiError("EXCEEDED_ID_LIMIT", message)
    records = [read_sobject(each, empty_is_null=empty_is_null) for each in elements]
    if len({record.sobject.lower() for record in records}) > 1 and context.call.operation == "upsert":
        raise ApiError("INVALID_TYPE", "upsert accepts records of one type only")
    drafts = [read_text(context.org.sobject(each.sobject), each.record) for each in records]
    for error in (error for draft in drafts for error in draft.errors):
        if error.code == "INVALID_FIELD" and error.message.startswith("No such column"):
            raise ApiError(error.code, error.message)
    return drafts


def _delete(context: Context) -> Answer:
    ids = _ids(context, "ids")
    results = delete(context.org, ids, user_id=context.user_id, all_or_none=context.options.all_or_none)
    return Answer("".join(map(shapes.save_result, results)), len(results))


def _undelete(context: Context) -> Answer:
    ids = _ids(context, "ids")
    results = undelete(context.org, ids, user_id=context.user_id, all_or_none=context.options.all_or_none)
    return Answer("".join(map(shapes.save_result, results)), len(results))


def _ids(context: Context, name: str) -> list[str]:
    ids = [each.strip() for each in context.call.texts(name)]
    if len(ids) > _MOST_RECORDS:
        message = f"record limit reached. cannot submit more than {_MOST_RECORDS} records into this call"
        raise ApiError("EXCEEDED_ID_LIMIT", message)
    return ids


# --- reading ----------------------------------------------------------------------------------------------


def _query(context: Context) -> Answer:
    return _run(context, deleted=False)


def _query_all(context: Context) -> Answer:
    return _run(context, deleted=True)


def _run(context: Context, *, deleted: bool) -> Answer:
    found = run(context.org, parse(context.call.text("queryString") or ""), deleted=deleted)
    rows = _rows(context.org, found)
    if not rows:
        done = '<done>true</done><queryLocator xsi:nil="true"/>'
        return Answer(f'<result xsi:type="QueryResult">{done}<size>{found.total}</size></result>')
    return _page(context, tuple(rows), 0, None)


def _rows(org: Org, found: QueryAnswer) -> list[str]:
    if found.aggregates is not None:
        return [shapes.aggregate_record(row) for row in found.aggregates]
    return [shapes.query_record(org, record, found.columns) for record in found.records]


def _query_more(context: Context) -> Answer:
    name, _, start = (context.call.text("queryLocator") or "").partition("-")
    rows = context.org.cursors.get(name)
    if not rows or not isinstance(rows[0], str) or not start.isdigit():
        raise ApiError("INVALID_QUERY_LOCATOR", "invalid query locator")
    return _page(context, rows, int(start), name)


def _page(context: Context, rows: tuple[str, ...], start: int, name: str | None) -> Answer:
    wanted = context.call.header("QueryOptions", "batchSize") or ""
    size = min(max(int(wanted), _SMALLEST_PAGE), _LARGEST_PAGE) if wanted.isdigit() else _PAGE
    page = rows[start : start + size]
    done = start + size >= len(rows)
    locator = None if done else f"{name or context.org.keep_cursor(rows)}-{start + size}"
    return Answer(
        f'<result xsi:type="QueryResult">{shapes.element("done", done)}'
        f"{shapes.element('queryLocator', locator)}{''.join(page)}<size>{len(rows)}</size></result>",
        len(page),
    )


def _retrieve(context: Context) -> Answer:
    call, org = context.call, context.org
    sobject = org.sobject((call.text("sObjectType") or "").strip())
    names = [name.strip() for name in (call.text("fieldList") or "").split(",") if name.strip()]
    fields = [_readable(sobject, name) for name in names]
    ids = call.texts("ids")
    if len(ids) > _MOST_RETRIEVED:
        raise ApiError("EXCEEDED_ID_LIMIT", f"cannot retrieve more than {_MOST_RETRIEVED} records")
    with org.lock:
        records = [org.table(sobject.name).live(_full_id(each)) for each in ids]
    shown = [
        shapes.whole_record("result", sobject, each, fields) if each else '<result xsi:nil="true"/>' for each in records
    ]
    return Answer("".join(shown), len(ids))


def _readable(sobject: Sobject, name: str) -> Field:
    found = sobject.find(name)
    if found is None:
        raise ApiError("INVALID_FIELD", f"No such column '{name}' on entity '{sobject.name}'")
    return found


def _full_id(given: str) -> str:
    try:
        return to_18(given.strip())
    except ValueError:
        raise ApiError("MALFORMED_ID", f"malformed id {given}") from None


def _describe(context: Context) -> Answer:
    names = context.call.texts("sObjectType")
    if context.call.operation == "describeSObject":
        names = names[:1]
    results = [describe_result(context.org.schema, context.org.sobject(name.strip())) for name in names]
    return Answer("".join(results), len(results))


OPERATIONS: dict[str, Callable[[Context], Answer]] = {
    "create": _create,
    "update": _update,
    "upsert": _upsert,
    "delete": _delete,
    "undelete": _undelete,
    "query": _query,
    "queryAll": _query_all,
    "queryMore": _query_more,
    "retrieve": _retrieve,
    "describeSObject": _describe,
    "describeSObjects": _describe,
    "getUserInfo": _get_user_info,
    "getServerTimestamp": _get_server_timestamp,
    "logout": _logout,
}
