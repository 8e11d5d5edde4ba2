"""May a load create records, and may it update those that there are?"""

from __future__ import annotations

from enum import StrEnum

#: Why a row was skipped: a record holds its key, and the load only creates.
KEY_EXISTS = "key_exists"

#: Why no policy may write to a record that there is: the load only creates.
CREATE_ONLY = "create_only"


class WriteMode(StrEnum):
    """What a load may do to the org."""

    #: A row whose key is held updates the record, any other creates one.
    UPSERT = "upsert"
    #: Nothing is created, on no path: a row whose key nobody holds ends ``not_found``.
    UPDATE_ONLY = "update_only"
    #: No record that there is is written to, on no path: a row whose key is held ends ``skipped``.
    CREATE_ONLY = "create_only"

    @property
    def may_create(self) -> bool:
        """Whether the load may create records."""
        return self is not WriteMode.UPDATE_ONLY
