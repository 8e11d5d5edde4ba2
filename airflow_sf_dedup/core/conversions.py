"""Which contact has become of the converted lead that a row met, by a rule or by its own key?"""

from __future__ import annotations

from airflow_sf_dedup.core.decisions import DuplicateCase, MatchedRecord
from airflow_sf_dedup.core.obstacles import Obstacle
from airflow_sf_dedup.core.record_state import RecordState

#: The sObject of what a converted lead becomes, as far as it is followed: not its account, not its opportunity.
CONTACT = "Contact"

_FOLLOWED = (Obstacle.DUPLICATE_RULE, Obstacle.KEY_HELD_BY_CONVERTED)


def became(case: DuplicateCase) -> MatchedRecord | None:
    """The one contact that all converted leads of the case have become; ``None``: none is certain, or it was not read.

    A live match, or one that cannot be read, decides alone; as does a live record that holds the row's key.
    """
    converted = [record for record in case.matched if record.state is RecordState.CONVERTED]
    if case.obstacle not in _FOLLOWED or not case.all_named or not all(each.is_gone for each in case.matched):
        return None
    if set(case.key_holders) - {record.record_id for record in converted}:
        return None
    contacts = {record.leads_to: record.became for record in converted}
    return next(iter(contacts.values())) if len(contacts) == 1 else None
