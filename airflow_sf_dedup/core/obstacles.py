"""What keeps a row out, where a policy is asked?"""

from __future__ import annotations

from enum import StrEnum


class Obstacle(StrEnum):
    """Each is told in the audit by its word, and by Salesforce's code."""

    DUPLICATE_RULE = "duplicate_rule"
    KEY_HELD_BY_MANY = "key_held_by_many"
    #: The one record that holds the key is a converted lead.
    KEY_HELD_BY_CONVERTED = "key_held_by_converted"
    #: A unique field keeps the key for a record in the recycle bin.
    KEY_HELD_IN_RECYCLE_BIN = "key_held_in_recycle_bin"

    @property
    def code(self) -> str:
        """What Salesforce answers to such a row."""
        return _CODES[self]

    @property
    def is_key(self) -> bool:
        """The row's key is held, and no duplicate rule was asked."""
        return self is not Obstacle.DUPLICATE_RULE


_CODES = {
    Obstacle.DUPLICATE_RULE: "DUPLICATES_DETECTED",
    Obstacle.KEY_HELD_BY_MANY: "DUPLICATE_EXTERNAL_ID",
    Obstacle.KEY_HELD_BY_CONVERTED: "CANNOT_UPDATE_CONVERTED_LEAD",
    Obstacle.KEY_HELD_IN_RECYCLE_BIN: "DUPLICATE_VALUE",
}
