"""What the emulator raises, by what is refused.

ApiError            the whole request; REST answers a list of errors, SOAP a fault
├── MalformedValue  a value that cannot be read as its field's type
└── SeedError       a row of records to start with; names its place and field
RowRefusal          one row of a call; carries the RowError that the row's result shows
SettingError        a setting that cannot be used; names it and its choices
└── OrgFileError    one of an org file
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_sf_dedup.emulator.results import RowError


class ApiError(Exception):
    """A request that is refused as a whole: ``code`` and ``message`` as Salesforce words them."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 400,
        fields: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.headers = headers or {}
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields


class MalformedValue(ApiError):
    """A value that the JSON reader cannot turn into its field's type (``JSON_PARSER_ERROR``)."""

    def __init__(self, kind: str, token: str, shown: str, *, value: Any = None) -> None:
        super().__init__("JSON_PARSER_ERROR", f"Cannot deserialize instance of {kind} from {token} value {shown}")
        self.kind = kind
        self.token = token
        self.shown = shown
        self.value = value

    def at(self, line: int, column: int) -> ApiError:
        """The same refusal with the position that Salesforce adds to it."""
        where = f"or request may be missing a required field at [line:{line}, column:{column}]"
        return ApiError(self.code, f"{self.message} {where}")


class SeedError(ApiError):
    """Records to start with that the org cannot have; the message begins with the place of the row."""

    def __init__(self, code: str, place: str, field: str | None, problem: str) -> None:
        where = f"{place}, {field}" if field else place
        super().__init__(code, f"{where}: {problem}", fields=(field,) if field else ())
        #: ``leads.csv, line 3`` or ``row 2``.
        self.place = place
        self.field = field


class RowRefusal(Exception):
    """One row is refused; the others of its call are not."""

    def __init__(self, error: RowError) -> None:
        super().__init__(error.message)
        self.error = error


class SettingError(ValueError):
    """A setting cannot be used; the message begins with its path."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"{setting}: {problem}")
        self.setting = setting
        self.problem = problem


class OrgFileError(SettingError):
    """The org file cannot be used; the message begins with the setting's path."""


#: The codes of what HTTP refuses, for which SOAP has no code of its own.
OF_HTTP = frozenset({"NOT_FOUND", "METHOD_NOT_ALLOWED"})
NOT_FOUND = "The requested resource does not exist"


def not_found(message: str = NOT_FOUND) -> ApiError:
    return ApiError("NOT_FOUND", message, status=404)


def no_such_sobject(name: str) -> ApiError:
    return ApiError("INVALID_TYPE", f"sObject type '{name}' is not supported.")
