"""Link: the row is saved past the rules that only warn, and points to the record that it matches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from airflow_sf_dedup.core.changes import Change
from airflow_sf_dedup.core.decisions import LinkRow
from airflow_sf_dedup.core.other_matches import linked
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.settling.blocked import Settling
from airflow_sf_dedup.journeys.settling.changing import Told
from airflow_sf_dedup.journeys.settling.saving import SavesAnyway


@dataclass(frozen=True)
class Links(SavesAnyway):
    """Upserts rows with ``allowSave=true`` and the id of the matched record, which is itself left as it is."""

    def done(self, item: Settling) -> str:
        """That it points to the record."""
        return "linked"

    def changes(self, item: Settling) -> Iterable[Change]:
        """The look-up field of the row's own record."""
        return Told(self.writer.entries.keeps).of_link(item)

    def as_sent(self, item: Settling) -> Record:
        """With the id in its look-up field."""
        decision = item.decided.decision
        assert isinstance(decision, LinkRow)  # noqa: S101 - narrows the union
        names = item.case.carried_as(decision.field)
        return replace(item.record, fields=linked(item.record.fields, names, decision.field, decision.record_id))
