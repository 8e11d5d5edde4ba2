"""In which duplicate record set does a saved record stand, and by which rule? A reporting rule leaves no more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

#: Records of one set that the audit names.
MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class RuleReport:
    """A ``DuplicateRecordSet`` in which a rule put a record together with what it matched."""

    #: 18 characters.
    record_set_id: str
    #: DeveloperName.
    duplicate_rule: str
    #: When the record came into the set, UTC, by the org's clock; ``None``: the org does not say.
    reported_at: datetime | None
    #: Records of the set, the row's own included.
    records: int
    #: The other ones, 18 characters each; none where there are more than :data:`MOST_NAMED`.
    others: tuple[str, ...] = ()
