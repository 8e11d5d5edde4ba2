"""The one door by which errors leave for the rest of the package: no secret, nothing that a terminal obeys, not long.

Until then they carry what was said to them whole, because a text that is cut first can hold half of a secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_sf_dedup.core.printable import NAME_LENGTH, printable
from airflow_sf_dedup.errors import CallError, SalesforceDedupError
from airflow_sf_dedup.salesforce.http.secrets import Secrets

#: Characters of an error's text; some orgs repeat the whole value that they refuse.
TEXT_LENGTH = 550


@contextmanager
def leaving(secrets: Secrets) -> Iterator[None]:
    """Make every error that leaves fit to be logged, with all that it was caused by."""
    try:
        yield
    except Exception as error:
        for each in causes_of(error):
            clean(each, secrets)
        raise


def clean(error: BaseException, secrets: Secrets) -> None:
    """Blot the secrets out of one error; one of ours is made short and printable as well."""
    if isinstance(error, SalesforceDedupError):
        error.args = (printable(secrets.blot(str(error)), TEXT_LENGTH),)
        if isinstance(error, CallError):
            error.code = printable(secrets.blot(error.code), NAME_LENGTH)
            error.own_words = printable(secrets.blot(error.own_words), TEXT_LENGTH)
        return
    error.args = tuple(secrets.blot(arg) if isinstance(arg, str) else arg for arg in error.args)
    for name in ("strerror", "filename", "reason"):
        if isinstance(text := getattr(error, name, None), str):
            setattr(error, name, secrets.blot(text))


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """The error and what it wraps, as requests and urllib3 wrap: in arguments, ``reason``, cause or context."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]
