"""``DUPLICATE_VALUE`` is one code for several causes; which one decides whether a repeat helps."""

from __future__ import annotations

import re
from enum import StrEnum

_HOLDER = re.compile(r"duplicate value found:\s*(\S+)\s+duplicates value", re.IGNORECASE)
_UNREADABLE = "<unknown>"


class DuplicateValue(StrEnum):
    """Why a unique value was refused."""

    #: Another writer was faster with the same new key (Salesforce help 000383480); a repeat updates.
    RACE = "race"
    #: Another unique field of the row holds a value that another record has.
    OTHER_FIELD = "other_unique_field"
    #: The key stands twice in one call, as Salesforce folds it.
    REPEATED_IN_CALL = "key_repeated_in_call"
    #: The message does not say; in another language, or an object's own rule.
    UNCLEAR = "unclear"


def kind_of(message: str, external_id_field: str) -> DuplicateValue:
    """Read the message of a ``DUPLICATE_VALUE``.

    The field reads ``<unknown>`` when the user cannot see the holder. The text may be in another
    language than English; then the field's name in it is all there is to go by.
    """
    if "duplicate external id specified" in message.lower():
        return DuplicateValue.REPEATED_IN_CALL
    found = _HOLDER.search(message)
    if found and found[1] != _UNREADABLE:
        same = found[1].lower() == external_id_field.lower()
        return DuplicateValue.RACE if same else DuplicateValue.OTHER_FIELD
    if external_id_field and re.search(rf"\b{re.escape(external_id_field)}\b", message, re.IGNORECASE):
        return DuplicateValue.RACE
    return DuplicateValue.UNCLEAR
