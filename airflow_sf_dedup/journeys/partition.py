"""The first task's work: read the source once, audit what will not be sent, stage the rest by key.

Conservation starts here: rows read = rows audited as invalid + rows audited as superseded + rows staged.
Nothing is sent from here, so whatever goes wrong leaves the org untouched and nothing staged.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from airflow_sf_dedup.audit.base import AuditWriter, Load
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.field_names import field_named, nearest_fields
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.numeric_settings import MOST_PARTITIONS
from airflow_sf_dedup.core.partitioning import PartitionRef, check_partitions, partition_of
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.repeats import Superseded, check_on_repeat, refuse_repeats, settle_repeats
from airflow_sf_dedup.core.setting_values import check_column
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.wording import nearest, shown
from airflow_sf_dedup.errors import PreflightError
from airflow_sf_dedup.journeys.columns import DescribesParent, no_parents
from airflow_sf_dedup.journeys.preflight import Fit, check_order_column, check_sobject, fit_columns
from airflow_sf_dedup.sources.base import Source, SourceRow
from airflow_sf_dedup.sources.columns import value_of
from airflow_sf_dedup.sources.reading import OrderReader, RecordBuilder, RejectedRow
from airflow_sf_dedup.staging.area import StagedLoad, StagedPartition, StagingArea
from airflow_sf_dedup.staging.spool import Spool

#: Entries written to the audit at a time.
_ENTRIES_AT_A_TIME = 1000

#: Repeated keys whose rows an error names.
_EXAMPLES = 5

#: Fields that every load takes along where the sObject has them: they say whether a match may be acted on,
#: and whether a call whose answer was lost wrote a record.
ALWAYS_STAGED = (
    "Id",
    "IsDeleted",
    "MasterRecordId",
    "IsConverted",
    "OwnerId",
    "RecordTypeId",
    "CreatedDate",
    "CreatedById",
    "LastModifiedDate",
    "LastModifiedById",
)

#: A partition's number and its records.
Compartment = tuple[int, list[Record]]


def partition_source(
    *,
    source: Source,
    describe: SObject,
    external_id_field: str,
    partitions: int,
    on_repeat: str,
    group_by: str | None,
    allow_non_unique_key: bool,
    staging: StagingArea,
    audit: AuditWriter,
    load: Load,
    salesforce_conn_id: str,
    audit_conn_id: str | None,
    clock: Callable[[], datetime],
    parents: DescribesParent = no_parents,
    newer_than: str | None = None,
    most_partitions: int = MOST_PARTITIONS,
    check_load: Callable[[Sequence[str], Field], None] = lambda columns, key_field: None,
    on_rejected: Callable[[RejectedRow], None] = lambda row: None,
    on_staged: Callable[[list[int]], None] = lambda rows: None,
) -> list[PartitionRef]:
    """Read, settle and stage a source; a reference for each partition that has rows.

    :param partitions: how many tasks may share the load, 1 to ``most_partitions``.
    :param on_repeat: which row of a key is sent: see :func:`core.repeats.settle_repeats`.
    :param group_by: column whose equal values meet in one partition, such as the parent of the rows.
    :param load: opened in the audit; gets ``rows_read`` and ``partitions`` only when all is staged.
    :param clock: the time now, UTC.
    :param parents: what the org says of the parents that columns name by their own fields.
    :param newer_than: column that tells how new a row is; repeats of a key are settled in its order, and every
        record gets its ``order``.
    :param check_load: asked before anything is staged, with the columns that the load carries and its key's field: may
        refuse the load by a ``SettingError``. Asked before the source is read as well, where that tells its columns.
    :param on_rejected: told each row that cannot be sent, which is audited as ``invalid``.
    :param on_staged: told, partition by partition, how many rows are sent together: all its rows, or with
        ``in_order`` those of one wave.
    :raises SettingError: a parameter, the source or the org does not fit.
    :raises RepeatsRefusedError: a key repeats and ``on_repeat`` is ``fail``.
    """
    check_partitions(partitions, most=most_partitions)
    check_on_repeat(on_repeat)
    fit = check_sobject(
        describe,
        external_id_field=external_id_field,
        columns=source.columns(),
        parents=parents,
        allow_non_unique_key=allow_non_unique_key,
        newer_than=check_column("newer_than", newer_than),
    )
    group_by = check_column("group_by", group_by)
    group_field = None if group_by is None else _group_field(describe, group_by, fit)
    if fit.columns:
        check_load(tuple(fit.columns), fit.key_rule.field)
    audit.open_load(load)
    journal = _Journal(audit, load.load_id, clock)
    reading = _Reading(source, fit, on_rejected, newer_than)
    try:
        with staging.workspace(load.load_id) as folder:
            by_key, by_group = Spool(folder / "by_key", partitions), Spool(folder / "by_group", partitions)
            reading.into(by_key, journal, partitions)
            if reading.fit.columns:
                check_order_column(reading.fit, newer_than)
                check_load(tuple(reading.fit.columns), fit.key_rule.field)
            compartments = _settled(by_key.compartments(), fit.key_rule, on_repeat, journal)
            if group_field is not None:
                _check_group_column(group_by, group_field, reading)
                compartments = _regrouped(compartments, by_group, fit.key_rule, group_field, partitions)
            staged_load = StagedLoad(
                load_id=load.load_id,
                sobject=_carried(describe, reading.fit),
                described=describe,
                external_id_field=fit.key_rule.field.name,
                on_repeat=on_repeat,
                columns=tuple(reading.fit.columns),
                allow_non_unique_key=allow_non_unique_key,
                created_at=clock(),
            )
            staged = _stage(compartments, group_field, staging, staged_load, on_staged)
            refs = [
                PartitionRef(
                    load_id=load.load_id,
                    partition=partition,
                    partitions=partitions,
                    rows=part.rows,
                    path=part.path,
                    checksum=part.checksum,
                    sobject=describe.name,
                    external_id_field=fit.key_rule.field.name,
                    org_id=load.org_id,
                    salesforce_conn_id=salesforce_conn_id,
                    audit_conn_id=audit_conn_id,
                )
                for partition, part in staged.items()
            ]
            if refs:
                staging.write_refs(load.load_id, refs)
        journal.close(reading.rows_read, staged)
    except BaseException:
        # A store that cannot remove must not hide why the load ended.
        with suppress(Exception):
            staging.remove(load.load_id)
        raise
    return refs


@dataclass
class _Reading:
    """One pass over the source."""

    source: Source
    fit: Fit
    on_rejected: Callable[[RejectedRow], None]
    newer_than: str | None = None
    rows_read: int = 0

    def into(self, spool: Spool, journal: _Journal, partitions: int) -> None:
        """Spool every row by its key, or audit why it has none that can be sent."""
        rule, order = self.fit.key_rule, None if self.newer_than is None else OrderReader(self.newer_than)
        reader, names = self._reader(order)
        for row in self.source.rows():
            if not row.values.keys() <= names:
                self._learn_columns(row)
                reader, names = self._reader(order)
            self.rows_read += 1
            try:
                read = reader.read(row)
            except PreflightError as error:
                raise _of_row(row, error) from None
            if isinstance(read, RejectedRow):
                self.on_rejected(read)
                journal.invalid(read)
            else:
                spool.add(partition_of(rule.partition_fold(read.key), partitions), read)

    def _reader(self, order: OrderReader | None) -> tuple[RecordBuilder, frozenset[str]]:
        """A reader of the columns known so far, and their names."""
        if order is not None:
            order.column = self.fit.order_column
        return RecordBuilder(self.fit.key_rule, self.fit.columns, order), frozenset(self.fit.names)

    def _learn_columns(self, row: SourceRow) -> None:
        known = list(dict.fromkeys([*self.fit.names, *row.values]))
        try:
            self.fit = fit_columns(self.fit.finder, known, newer_than=self.newer_than)
        except PreflightError as error:
            raise _of_row(row, error) from None


def _of_row(row: SourceRow, error: PreflightError) -> PreflightError:
    """The same error, with the row that brought what does not fit the org."""
    return PreflightError(f"row {row.row_number}: {error}", setting=error.setting)


def _settled(
    compartments: Iterable[Compartment], rule: KeyRule, on_repeat: str, journal: _Journal
) -> Iterator[Compartment]:
    """Each compartment without the rows that another row of their key supersedes."""
    repeated, examples = 0, list[list[int]]()
    for partition, records in compartments:
        kept: list[Record] = []
        for rows in _by_key(records, rule):
            settled = settle_repeats(rows, on_repeat)
            kept.extend(settled.kept)
            for superseded in settled.superseded:
                journal.superseded(superseded, on_repeat)
            if on_repeat == "fail" and len(rows) > 1:
                repeated += 1
                examples = sorted([*examples, [row.row_number for row in rows]])[:_EXAMPLES]
        yield partition, kept
    if repeated:
        raise refuse_repeats(repeated, examples)


def _by_key(records: Iterable[Record], rule: KeyRule) -> Iterable[list[Record]]:
    rows: dict[str, list[Record]] = {}
    for record in records:
        rows.setdefault(rule.fold(record.key), []).append(record)
    return rows.values()


def _regrouped(
    compartments: Iterable[Compartment], spool: Spool, rule: KeyRule, group_field: Field, partitions: int
) -> Iterator[Compartment]:
    """The same records partitioned by group; rows without one by key.

    All rows of a broadly folded key follow the first of them, so that a key never meets two tasks even
    where its rows name different parents.
    """
    for _, records in compartments:
        homes: dict[str, int] = {}
        for record in sorted(records, key=lambda record: record.row_number):
            key = rule.partition_fold(record.key)
            if key not in homes:
                homes[key] = partition_of(_group(record, group_field) or key, partitions)
            spool.add(homes[key], record)
    return spool.compartments()


def _group(record: Record, group_field: Field) -> str:
    """The group's value, folded so that no spelling of it leads elsewhere; blank for none."""
    return unicodedata.normalize("NFKC", value_of(record.fields, group_field) or "").casefold()


def _stage(
    compartments: Iterable[Compartment],
    group_field: Field | None,
    staging: StagingArea,
    load: StagedLoad,
    on_staged: Callable[[list[int]], None],
) -> dict[int, StagedPartition]:
    """Stage every compartment, the manifest before the first."""
    staged: dict[int, StagedPartition] = {}
    for partition, records in compartments:
        if not staged:
            staging.write_manifest(load)
        records.sort(key=_order(group_field))
        staged[partition] = staging.write_partition(load.load_id, partition, records)
        on_staged(list(Counter(record.wave for record in records).values()))
    return staged


def _order(group_field: Field | None) -> Callable[[Record], tuple[int, str, int]]:
    """Earlier rows of a key first, then the rows of one parent together, then as in the source."""
    if group_field is None:
        return lambda record: (record.wave, "", record.row_number)
    return lambda record: (record.wave, _group(record, group_field), record.row_number)


def _group_field(describe: SObject, group_by: str, fit: Fit) -> Field:
    found = field_named(describe, group_by)
    if found is None:
        near = nearest_fields(describe, group_by)
        raise _group_error(f"{shown(group_by)!r} is no field of {describe.name} that this user can see{near}")
    if fit.columns and found.field not in (column.field for column in fit.columns.values()):
        raise _group_error(f"the source has no column {shown(group_by)!r}{nearest(group_by, fit.columns)}")
    return found.field


def _check_group_column(group_by: str | None, group_field: Field, reading: _Reading) -> None:
    if reading.fit.columns and group_field not in (column.field for column in reading.fit.columns.values()):
        raise _group_error(f"none of the {reading.rows_read} rows has a column {shown(group_by or '')!r}")


def _group_error(message: str) -> PreflightError:
    return PreflightError(f"group_by: {message}", setting="group_by")


def _carried(describe: SObject, fit: Fit) -> SObject:
    """The sObject with just the fields that the load needs."""
    columns = (column.field.name for column in fit.columns.values())
    return describe.only([fit.key_rule.field.name, *columns, *ALWAYS_STAGED])


@dataclass
class _Journal:
    """Remembers, many at a time, the rows that end here."""

    audit: AuditWriter
    load_id: str
    clock: Callable[[], datetime]
    _waiting: list[Entry] = field(default_factory=list)
    _counts: dict[Action, int] = field(default_factory=dict)

    def invalid(self, refusal: RejectedRow) -> None:
        """A row that cannot be sent."""
        self._add(
            Entry(
                row_number=refusal.row_number,
                action=Action.INVALID,
                at=self.clock(),
                key=refusal.key,
                error_code=refusal.code,
                error_message=refusal.message,
                reason=refusal.reason,
            )
        )

    def superseded(self, superseded: Superseded, on_repeat: str) -> None:
        """A row in whose place another one is sent.

        The reason is a word that can be counted; which row it was stands in the message.
        """
        record = superseded.record
        self._add(
            Entry(
                row_number=record.row_number,
                action=Action.SUPERSEDED,
                at=self.clock(),
                key=record.key,
                row_hash=record.row_hash,
                error_message=f"superseded by row {superseded.by}",
                reason=f"on_repeat_{on_repeat}",
            )
        )

    def close(self, rows_read: int, staged: dict[int, StagedPartition]) -> None:
        """All was read and staged: remember what waits, then say so in the load."""
        self._flush()
        self.audit.note(
            self.load_id,
            "partitioned",
            {
                "rows_read": rows_read,
                "staged": sum(part.rows for part in staged.values()),
                "partitions": len(staged),
                **{action.value: count for action, count in self._counts.items()},
            },
        )
        self.audit.update_load(self.load_id, rows_read=rows_read, partitions=len(staged))

    def _add(self, entry: Entry) -> None:
        self._waiting.append(entry)
        self._counts[entry.action] = self._counts.get(entry.action, 0) + 1
        if len(self._waiting) >= _ENTRIES_AT_A_TIME:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self.audit.remember(self.load_id, self._waiting)
            self._waiting = []
