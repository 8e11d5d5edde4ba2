"""What can go wrong with a call or a setting. A refused *row* is never an error: it is an outcome.

The tree is named by what the caller does next::

    SalesforceDedupError
    ├── SettingError                 fix a parameter, a connection or the org; a retry cannot help
    │   ├── PreflightError           the org does not fit the load (object, field, permission)
    │   ├── SourceError              the source cannot be read (file, encoding, column, row)
    │   ├── ConnectionMissingError   Airflow has no connection of the id that a setting names
    │   └── UnusableConnectionError  found out by a call, and so a CallError too: nothing was sent
    │       └── WrongOrgError        the connection leads to another org than ``expected_org_id`` or its last login
    ├── CallError                    a call to Salesforce did not do its work
    │   ├── LoginRefusedError        credentials are wrong; never retried, it would lock the user out
    │   ├── RequestRefusedError      Salesforce refused the whole request; the same bytes fail again
    │   ├── PermissionRefusedError   the user may not do this; an administrator has to act
    │   ├── LimitReachedError        a limit of the org is used up; ``retry_after`` seconds help
    │   │   └── OwnLimitReachedError ``api_budget`` or ``api_floor_pct`` ended the run; clear it to go on
    │   ├── VolumeGuardError         the load does far more than it should: a person has to look before it goes on
    │   └── TransientCallError       the same call may succeed later
    │       └── OutcomeUnknownError  it was sent and no answer came: it may have been carried out
    ├── AuditUnreachableError        the audit's database does not answer
    ├── FileUnreachableError         a file cannot be read or written now; it passes
    ├── LoadMissingError             the audit does not know the load (audit.base)
    ├── PutOffError                  rows were put off, and nothing failed: the same task goes on later
    │   ├── KeysInFlightError        other tasks have keys of the load in flight; it passes
    │   └── RulesStaleError          rules refused rows that are switched off already; they are sent again
    ├── StagingError                 a staged partition is gone or is not what was staged
    └── LoadFailedError              the load is over and too many of its rows did not succeed
        └── RepeatsRefusedError      nothing was sent: keys repeat and ``on_repeat`` is ``fail``; mend the source
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any


class SalesforceDedupError(Exception):
    """The root of all errors this package raises."""


class SettingError(SalesforceDedupError):
    """A parameter or connection setting is unusable.

    :param setting: the name of the parameter, connection field or configuration option.
    """

    def __init__(self, message: str, *, setting: str | None = None) -> None:
        super().__init__(message)
        self.setting = setting


class PreflightError(SettingError):
    """The org's own description does not fit what the load asks for."""


class SourceError(SettingError):
    """The source cannot be read as records."""


class ConnectionMissingError(SettingError):
    """Airflow has no connection of that id."""


class CallError(SalesforceDedupError):
    """A call to Salesforce failed.

    :param code: Salesforce's error code, or a transport word such as ``READ_TIMEOUT``.
    :param status: the HTTP status, when there was an answer.
    :param retry_after: seconds after which Salesforce says a retry makes sense.
    :param own_words: the message without what Salesforce said, which may quote a row; ``None``: it is all our own.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        own_words: str | None = None,
    ) -> None:
        super().__init__(message)
        self.own_words = message if own_words is None else own_words
        self.code = code
        self.status = status
        self.retry_after = retry_after
        #: Whether the call may have been carried out, at this sending or at an earlier one.
        self.in_doubt = False

    def in_own_words(self) -> None:
        """Drop what Salesforce said, here and in what caused it: the error is about to be shown for many rows."""
        self.args = (self.own_words,)
        self.__cause__ = self.__context__ = None


class UnusableConnectionError(SettingError, CallError):
    """A call could not be made, because the connection is not what it should be; nothing was sent.

    A person has to change the setting. For the load it is a call that failed: its rows are ``not_sent``.
    """

    def __init__(self, message: str, *, setting: str | None = None, code: str = "") -> None:
        super().__init__(message, setting=setting)
        self.code = code


class WrongOrgError(UnusableConnectionError):
    """The connection leads to another org than the one it is pinned to, or than the one that it led to before."""


class LoginRefusedError(CallError):
    """Salesforce did not accept the credentials."""


class RequestRefusedError(CallError):
    """Salesforce refused the whole request as malformed."""


class PermissionRefusedError(CallError):
    """The API user lacks a permission, or the org a feature."""


class LimitReachedError(CallError):
    """The org's daily or concurrent request limit is used up."""


class OwnLimitReachedError(LimitReachedError):
    """The load has used as many calls as its settings let it; the call was not made."""


class VolumeGuardError(CallError):
    """A load created, changed or had blocked more than it may; the call was not made, and none is made after it.

    The same task stops again until a person lets the load do more, or where its last call showed it, has looked.

    :param exceeded: the limits, as they are set.
    :param saw: what the load did, or would have done, in words.
    :param earlier: what an earlier load did, in words; blank: there is none.
    :param all_sent: no row of the task is left.
    """

    def __init__(self, exceeded: str, saw: str, *, earlier: str = "", all_sent: bool = False) -> None:
        compared = f"; {earlier}" if earlier else ""
        what_now = (
            "It was the last call of this task that showed it, so that all of its rows were sent. Look at them in the "
            "audit; where they are right, clear the task, which sends none of them again"
            if all_sent
            else "Nothing more is sent, and a retry stops again. Look at the rows in the audit; where they are right, "
            "raise the limit or leave it out, and clear the task to go on with the others"
        )
        super().__init__(f"{exceeded}: {saw}{compared}. {what_now}", code="VOLUME_GUARD")


class TransientCallError(CallError):
    """The call failed for a reason that passes."""


class OutcomeUnknownError(TransientCallError):
    """The request left, no usable answer came: Salesforce may have carried it out."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.in_doubt = True


class PutOffError(SalesforceDedupError):
    """Rows were put off, each with its entry. The same task goes on with them when it runs again.

    :param rows: how many rows were put off.
    :param not_before: UTC, by the worker's clock: going on earlier helps nobody; ``None``: nobody knows.
    :param ends_by_itself: it passes for certain, and in a bounded time; False: the task waits as long as it is told.
    """

    def __init__(
        self, message: str, *, rows: int, not_before: datetime | None = None, ends_by_itself: bool = False
    ) -> None:
        super().__init__(message)
        self.rows = rows
        self.not_before = not_before
        self.ends_by_itself = ends_by_itself


def _rows_were(rows: int) -> str:
    return "1 row was" if rows == 1 else f"{rows:,} rows were"


class RulesStaleError(PutOffError):
    """Rows were refused by nothing but duplicate rules that the org has switched off, and are sent again later.

    Each has its entry, ``not_sent``.

    :param rows: how many rows wait.
    :param not_before: when the last of them is sent again.
    """

    def __init__(self, rows: int, not_before: datetime) -> None:
        super().__init__(
            f"{_rows_were(rows)} refused by duplicate rules that are switched off and not yet out of the org's caches; "
            f"sent again from {not_before:%H:%M:%S} UTC on",
            rows=rows,
            not_before=not_before,
            ends_by_itself=True,
        )


class KeysInFlightError(PutOffError):
    """Rows were not sent because their keys are in flight elsewhere, or newer rows of them not settled.

    Each has its entry: ``not_sent``, or ``unknown`` where an earlier process of the same load may have sent the row.

    :param rows: how many rows were put off.
    :param holders: the tasks that hold their keys, or have the newer rows, for people.
    :param left_until: UTC; when the last claim ends that an earlier process of the same load left behind; ``None``:
        there is none such.
    :param waited_besides: seconds that rows of the task have waited for something else, and not for keys.
    """

    def __init__(
        self,
        rows: int,
        holders: tuple[str, ...],
        left_until: datetime | None = None,
        *,
        waited_besides: float = 0.0,
    ) -> None:
        own = "; an earlier try of this load left keys behind: it goes on by itself when their claims end"
        where = f"their keys are in flight in {'; '.join(holders)}"
        super().__init__(
            f"{_rows_were(rows)} put off: {where}{own if left_until else ''}",
            rows=rows,
            not_before=left_until,
            ends_by_itself=left_until is not None,
        )
        self.holders = holders
        self.left_until = left_until
        self.waited_besides = waited_besides


class FileUnreachableError(SalesforceDedupError, OSError):
    """A file could not be read or written for a reason that may pass: a store that is away, a full disk."""


class StagingError(SalesforceDedupError):
    """A staged partition is missing, changed or cannot be reached from this worker."""


class LoadFailedError(SalesforceDedupError):
    """More rows failed than the thresholds allow; the audit table has every one of them.

    :param codes: error code → how many of the rows that did not succeed have it; rows without a code are left out.
    """

    def __init__(self, message: str, *, codes: Mapping[str, int] | None = None) -> None:
        super().__init__(message)
        self.codes = dict(codes or {})


class RepeatsRefusedError(LoadFailedError):
    """Keys repeat in the source and ``on_repeat`` is ``fail``: nothing was sent, and a retry meets the same repeats."""


class AuditUnreachableError(SalesforceDedupError):
    """The audit's database does not answer, or turns this user away. It may pass.

    :param place: the database's URL, without password.
    :param reason: the database's own words, in one line.
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"audit_conn_id: the audit's database {place} cannot be reached: {reason}")
        self.place = place
        self.reason = reason
