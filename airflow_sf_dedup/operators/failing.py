"""Which errors Airflow may retry.

Airflow's retries are the slow clock: minutes. A wrong setting is as wrong then, and refused credentials
that are sent again lock the user out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_sf_dedup.errors import (
    LoginRefusedError,
    OwnLimitReachedError,
    PermissionRefusedError,
    PutOffError,
    RepeatsRefusedError,
    SettingError,
    StagingError,
    VolumeGuardError,
)

#: A person has to change something before the same task can succeed; after a limit of its own, or when it has
#: waited for keys in vain, to clear it; after its guard on volume, to look.
NEEDS_A_PERSON = (
    SettingError,
    LoginRefusedError,
    PermissionRefusedError,
    StagingError,
    OwnLimitReachedError,
    VolumeGuardError,
    PutOffError,
    RepeatsRefusedError,
)


@contextmanager
def failing_at_once() -> Iterator[None]:
    """Fail the task without a retry where a retry cannot help.

    :raises AirflowFailException: in place of the errors in :data:`NEEDS_A_PERSON`, with their message.
    """
    try:
        yield
    except NEEDS_A_PERSON as error:
        from airflow.sdk.exceptions import AirflowFailException

        # Its message is for a person; a second traceback below it would only bury it.
        raise AirflowFailException(str(error)) from None
