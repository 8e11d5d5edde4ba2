"""Take the record that the row met out of the recycle bin, update it, and stamp the key on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from airflow_sf_dedup.core.decisions import (
    DuplicateCase,
    MatchedRecord,
    Pass,
    UndeleteMatch,
    UpdateMatch,
    certain_match,
    deleted_match,
    why_not_undeleted,
)
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.spans import read_span
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies.base import Composable
from airflow_sf_dedup.policies.overwriting import FieldRules, OverwritesFields
from airflow_sf_dedup.policies.update_existing import chosen_update

#: How the ids of users begin.
_USER = "005"


@dataclass(frozen=True, repr=False)
class Undelete(OverwritesFields, Composable):
    """Undelete the only match, or the only holder of the key, where it is in the recycle bin, and update it.

    Only where it was deleted and not merged away, and where nothing else matches. People are erased on purpose: what a
    load brings back, somebody may have had to delete. No other policy undeletes.

    :param deleted_within: how long ago it may have been deleted, such as ``"7d"``, ``"12h"`` or ``"2w"``; a record of
        which the org does not say when passes on. Salesforce keeps deleted records for 15 days.
    :param deleted_by: a user's id, or several: whose deletions may be taken back. By default anybody's; what the org
        tells is who changed the deleted record last.
    :param fields: what of the record may be overwritten, as for
        :class:`~airflow_sf_dedup.policies.update_existing.UpdateExisting`.
    """

    deleted_within: str = "30d"
    deleted_by: str | tuple[str, ...] = ()
    fields: str | tuple[str, ...] | Mapping[str, str] | FieldRules = "all"
    name: ClassVar[str] = "undelete"

    def __post_init__(self) -> None:
        if not read_span(self.deleted_within):
            raise SettingError(
                f'undelete: deleted_within={self.deleted_within!r} is no span of time such as "7d", "12h" or "2w"',
                setting="on_duplicate",
            )
        object.__setattr__(self, "deleted_by", _users(self.deleted_by))
        object.__setattr__(self, "fields", FieldRules.read(self.fields, "undelete: fields"))

    def arguments(self) -> dict[str, object]:
        """The parameters that differ from their defaults."""
        given: dict[str, object] = {}
        if self.deleted_within != "30d":
            given["deleted_within"] = self.deleted_within
        if self.deleted_by:
            given["deleted_by"] = list(self.deleted_by)
        if self.overwrites != FieldRules():
            given["fields"] = self.overwrites.as_given()
        return given

    def decide(self, case: DuplicateCase) -> UndeleteMatch | UpdateMatch | Pass:
        """Claims cases with one deleted record, and those whose record an earlier try of the load has undeleted."""
        if (live := certain_match(case)) and live.is_claimed:
            return chosen_update(case, live, self.overwrites)
        match = deleted_match(case)
        if match is None:
            return Pass(why_not_undeleted(case) or "match_uncertain")
        if why := self._why_not(match, case):
            return Pass(why)
        update = chosen_update(case, match, self.overwrites)
        return UndeleteMatch(match.record_id, update.fields, update.kept_back)

    def _why_not(self, match: MatchedRecord, case: DuplicateCase) -> str | None:
        """What is not known of a deletion does not pass a limit."""
        deletion, within = match.deletion, read_span(self.deleted_within) or timedelta()
        if deletion is None or deletion.at is None or case.read_at is None:
            return "deletion_untold"
        if case.read_at - deletion.at > within:
            return "deleted_too_long_ago"
        if self.deleted_by and deletion.by not in self.deleted_by:
            return "deleted_by_another_user" if deletion.by else "deletion_untold"
        return None


def _users(given: object) -> tuple[str, ...]:
    if isinstance(given, str):
        given = (given,) if given else None
    elif given == ():
        return ()
    try:
        if not isinstance(given, Iterable) or isinstance(given, Mapping | bytes):
            raise TypeError
        users = tuple(to_18(each) for each in (sorted(given) if isinstance(given, Set) else given))
    except (TypeError, ValueError):
        users = ()
    if not users or not all(user.startswith(_USER) for user in users):
        raise SettingError(
            f"undelete: deleted_by={given!r} is no id of a user, such as 005000000000001AAA, nor a list of them",
            setting="on_duplicate",
        )
    return users
