"""Changes of records outside of a save, each noted for the ledger: by deletes, merges and conversions of leads."""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.results import Refused
from airflow_sf_dedup.emulator.saving.cascading import Reach
from airflow_sf_dedup.emulator.state.in_progress import current
from airflow_sf_dedup.emulator.state.ledger import Change
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.state.recycle_bin import Deletion
from airflow_sf_dedup.emulator.state.related import Related


class Changing:
    """The changes that one call makes.

    :param changes: of the transaction in which they happen.
    :param related: of the whole call, when it has several transactions.
    """

    def __init__(self, org: Org, user_id: str, changes: list[Change], related: Related | None = None) -> None:
        self.org = org
        self.related = related or Related(org)
        self.now = org.now()
        self._user_id = user_id
        self._changes = changes

    def change(self, record_id: str, verb: str, **fields: Any) -> None:
        """Sets fields of a record that there is."""
        sobject = self.org.schema.by_prefix[record_id[:3]]
        before = self.org.table(sobject.name).records[record_id]
        stamps = {"LastModifiedDate": self.now, "LastModifiedById": self._user_id, "SystemModstamp": self.now}
        self.org.put(sobject.name, record_id, {**before, **stamps, **fields})
        replaced = {name: before.get(name) for name in fields}
        self._note(sobject, verb, record_id, fields, replaced)

    def forget(self, record_id: str) -> None:
        """Takes a record out of the org for good."""
        sobject = self.org.schema.by_prefix[record_id[:3]]
        self.org.put(sobject.name, record_id, None)
        self._note(sobject, "purged", record_id, {}, {})

    def refused(self, given: str, result: Refused) -> None:
        sobject = sobject_of(self.org, given)
        record_id = full_id(given)
        known = record_id if record_id and self.org.record(record_id) else None
        self._note(sobject, "refused", known, {"Id": given}, {}, result.errors[0].code)

    def delete(self, record_id: str, reach: Reach, **fields: Any) -> None:
        """Puts a record into the recycle bin with all that goes with it."""
        for cleared in reach.cleared:
            self.change(cleared.record_id, "updated", **{cleared.field: None})
        for each in (*reversed(reach.taken_along), record_id):
            self.change(each, "deleted", IsDeleted=True, **(fields if each == record_id else {}))
        self.org.recycle_bin.put(record_id, Deletion(reach.taken_along, reach.cleared))

    def _note(
        self,
        sobject: Sobject | None,
        verb: str,
        record_id: str | None,
        values: dict[str, Any],
        before: dict[str, Any],
        error: str | None = None,
    ) -> None:
        name = sobject.name if sobject else ""
        self._changes.append(Change(self.now, current().number, name, verb, record_id, values, before, error))


def sobject_of(org: Org, given: str) -> Sobject | None:
    record_id = full_id(given)
    return org.schema.of_id(record_id) if record_id else None


def full_id(record_id: str) -> str | None:
    try:
        return to_18(record_id.strip())
    except ValueError:
        return None
