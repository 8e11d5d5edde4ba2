"""SOAP calls about who is there: login and logout, sessions, the user, the time."""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.emulator.definition.org_file import User
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.records.values import format_datetime
from airflow_sf_dedup.emulator.soap import shapes
from airflow_sf_dedup.emulator.soap.context import Answer, Context, Operation
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.wire.soap_calls import SoapCall
from airflow_sf_dedup.emulator.xml_writing import element

#: login() is gone from this version on (devdocs, "SOAP API login() retirement").
_NO_LOGIN_SINCE = 65.0


def login(org: Org, call: SoapCall, version: float, url: str, door: str) -> Answer:
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
    if user is None or not user.accepts(given):
        raise ApiError("INVALID_LOGIN", "Invalid username, password, security token; or user locked out.")
    org.accounting.count_login()
    soap = f"{url}/services/Soap/{door}/{version}/{org.org_id[:15]}"
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
        "chatterExternal": False,
        "currencySymbol": "$",
        "orgAttachmentFileSizeLimit": 5242880,
        "orgDefaultCurrencyIsoCode": "USD",
        "orgDefaultCurrencyLocale": "en_US",
        "orgDisallowHtmlAttachments": False,
        "orgHasPersonAccounts": False,
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
    return "".join(element(fact, value) for fact, value in facts.items())


def _get_user_info(context: Context) -> Answer:
    user = next(user for user in context.org.definition.users if user.user_id == context.user_id)
    return Answer(f"<result>{_user_info(context.org, user)}</result>")


def _get_server_timestamp(context: Context) -> Answer:
    now = format_datetime(context.org.clock()).replace("+0000", "Z")
    return Answer(f"<result><timestamp>{now}</timestamp></result>")


def _logout(context: Context) -> Answer:
    context.org.sessions.close(context.call.header("SessionHeader", "sessionId") or "")
    return Answer("")


def _invalidate_sessions(context: Context) -> Answer:
    results = []
    for session in (each.strip() for each in context.call.texts("sessionIds")):
        known = context.org.sessions.user_id(session) is not None
        context.org.sessions.close(session)
        results.append(shapes.outcome(None if known else ("INVALID_SESSION_ID", "Invalid Session ID")))
    return Answer("".join(results), len(results))


OPERATIONS: dict[str, Operation] = {
    "getUserInfo": _get_user_info,
    "getServerTimestamp": _get_server_timestamp,
    "logout": _logout,
    "invalidateSessions": _invalidate_sessions,
}
