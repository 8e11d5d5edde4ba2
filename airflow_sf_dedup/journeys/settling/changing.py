"""What is about to change in a matched record? Told before the call that writes, from what was read of it already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.core.changes import IS_DELETED, Change, ChangeKind, NotKept
from airflow_sf_dedup.core.decisions import LinkRow, MatchedRecord, UndeleteMatch, UpdateMatch, UpdateOther
from airflow_sf_dedup.core.likeness import Likeness, likeness
from airflow_sf_dedup.core.sobjects import Field
from airflow_sf_dedup.journeys.settling.blocked import Settling
from airflow_sf_dedup.salesforce.ports import RecordUpdate
from airflow_sf_dedup.salesforce.wire.moments import read_org_moment

#: Stands for a value that was not read.
_UNREAD = object()

_KINDS: Mapping[type, ChangeKind] = {
    UpdateMatch: ChangeKind.UPDATE_MATCH,
    UpdateOther: ChangeKind.UPDATE_OTHER,
    UndeleteMatch: ChangeKind.UNDELETE,
}

#: Whether values of a field may be kept, by all names that it has in rows and records.
Keeps = Callable[..., bool]


def of_undelete(item: Settling, record: MatchedRecord) -> Change:
    """That a record is about to leave the recycle bin: no value of anybody's, and so kept whatever is masked."""
    return Change(
        row_number=item.record.row_number,
        record_id=record.record_id,
        sobject=record.sobject,
        kind=ChangeKind.UNDELETE,
        field=IS_DELETED,
        before=True,
        after=False,
        system_modstamp=record.deletion.at if record.deletion else None,
    )


@dataclass(frozen=True)
class Told:
    """Tells what a decision changes.

    :ivar keeps: whether the audit keeps values of a field.
    """

    keeps: Keeps

    def of_update(self, item: Settling, record: MatchedRecord, update: RecordUpdate) -> Iterator[Change]:
        """The fields of the record that will differ, and those that the policy keeps back."""
        decision = item.decided.decision
        about = _About(item, record, _values(record, decision), _sources(decision), self.keeps)
        for name, value in update.fields.items():
            field = about.described(name, value)
            if likeness(value, about.before(name), field) is not Likeness.SAME:
                yield about.change(name, _KINDS[type(decision)], value, field=field)
        for name, why in getattr(decision, "kept_back", {}).items():
            yield about.change(name, ChangeKind.KEPT_BACK, about.before(name), reason=why)

    def of_link(self, item: Settling) -> Iterator[Change]:
        """The look-up field of the row's own record, which the row's entry will name.

        A record that holds the row's key already was not read.
        """
        decision, case = item.decided.decision, item.case
        assert isinstance(decision, LinkRow)  # noqa: S101 - narrows the union
        field = case.described.field(decision.field) if case.described else None
        name = field.name if field else decision.field
        not_kept = NotKept.NOT_READ if case.key_holders else None if self.keeps(name) else NotKept.MASKED
        after = None if not_kept else decision.record_id
        yield Change(case.record.row_number, "", case.sobject, ChangeKind.LINK, name, None, after, not_kept)


@dataclass(frozen=True)
class _About:
    """A record that is about to be written, and what was read of it."""

    item: Settling
    record: MatchedRecord
    values: Mapping[str, Any]
    sources: Mapping[str, str] | None
    keeps: Keeps

    def before(self, name: str) -> Any:
        return self.values.get(name, _UNREAD)

    def described(self, name: str, value: Any) -> Field | None:
        """A row names a parent by its relationship, with a mapping; what is changed is the look-up field."""
        described = self.item.case.described
        if described is None or self.sources is not None:
            return None
        return described.parent(name) if isinstance(value, Mapping) else described.field(name)

    def change(
        self, name: str, kind: ChangeKind, after: Any, *, field: Field | None = None, reason: str | None = None
    ) -> Change:
        before, own = self.before(name), field.name if field else name
        not_kept = NotKept.NOT_READ if before is _UNREAD else None if self._is_kept(name, own) else NotKept.MASKED
        return Change(
            row_number=self.item.record.row_number,
            record_id=self.record.record_id,
            sobject=self.record.sobject,
            kind=kind,
            field=own,
            before=None if not_kept else before,
            after=None if not_kept else after,
            not_kept=not_kept,
            reason=reason,
            system_modstamp=read_org_moment(self.values.get("SystemModstamp")),
        )

    def _is_kept(self, name: str, own: str) -> bool:
        """A field of another sObject is masked as the row's field is that is written to it."""
        if self.sources is None:
            return self.keeps(name, own)
        return self.keeps(name, self.sources.get(name))


def _values(record: MatchedRecord, decision: object) -> Mapping[str, Any]:
    return record.own_values if isinstance(decision, UpdateOther) else record.values


def _sources(decision: object) -> Mapping[str, str] | None:
    return decision.sources if isinstance(decision, UpdateOther) else None
