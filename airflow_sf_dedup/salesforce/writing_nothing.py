"""A call that writes nothing leaves nothing in doubt, whatever became of its answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_sf_dedup.errors import OutcomeUnknownError, TransientCallError

#: What the org says where no duplicate rule of the sObject is active (SOAP guide, "findDuplicates()").
NO_RULE = "NO_ACTIVE_DUPLICATE_RULE"


@contextmanager
def writing_nothing() -> Iterator[None]:
    """:raises TransientCallError: no answer came; the same call may be made again."""
    try:
        yield
    except OutcomeUnknownError as error:
        raise TransientCallError(
            str(error),
            code=error.code,
            status=error.status,
            retry_after=error.retry_after,
            own_words=error.own_words,
        ) from error
