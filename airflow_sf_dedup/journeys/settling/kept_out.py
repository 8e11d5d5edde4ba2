"""Does a policy have a say in this refusal? Where a duplicate rule, or a holder of the row's key, keeps the row out.

The key's holders are as good as matches: several of them, a converted lead, or a record in the recycle bin are nothing
that another try would get past.
"""

from __future__ import annotations

from dataclasses import replace

from airflow_sf_dedup.core.obstacles import Obstacle
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, KeyHeldByMany
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.sending.known import WriteRules
from airflow_sf_dedup.journeys.sending.under_way import Answered
from airflow_sf_dedup.journeys.settling.blocked import Blocked

#: No rule was asked, so none found anything, and none may be overridden.
_NO_RULE = DuplicatesFound("", ())


def kept_out(answered: Answered[Record], deleted_holders: tuple[str, ...] = ()) -> Blocked | None:
    """The row as a case to be; ``None``: policies have no say in its outcome.

    :param deleted_holders: records in the recycle bin that a re-read found to keep the row's key.
    """
    match answered.outcome:
        case DuplicatesFound() as found:
            return Blocked(answered.sent, found)
        case KeyHeldByMany(record_ids=holders) as refused:
            return Blocked(answered.sent, _NO_RULE, Obstacle.KEY_HELD_BY_MANY, refused, holders)
        case Failed("CANNOT_UPDATE_CONVERTED_LEAD") as refused:
            return Blocked(answered.sent, _NO_RULE, Obstacle.KEY_HELD_BY_CONVERTED, refused)
        case Failed("DUPLICATE_VALUE") as refused if deleted_holders:
            return Blocked(answered.sent, _NO_RULE, Obstacle.KEY_HELD_IN_RECYCLE_BIN, refused, deleted_holders)
        case _:
            return None


def as_policies_see(blocked: Blocked, write: WriteRules) -> Blocked:
    """The row with what policies may write. What rules for fields let the holder of its key keep is no matter of
    theirs, where that record cannot be written to at all.
    """
    if not write.ask_first or not blocked.obstacle.is_key:
        return blocked
    return replace(blocked, sent=blocked.sent.of(write.as_new(blocked.record)))
