"""Finds what a load let through: the records that it wrote are compared with all others, by the org's active rules.

As a duplicate job of the org does, but over one load: no API starts such a job.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from math import ceil

from airflow_sf_dedup.audit.base import Audit, Load, LoadKind
from airflow_sf_dedup.audit.sql.duplicate_jobs import DuplicateJob, FoundMatch, SqlDuplicateJobs
from airflow_sf_dedup.core.entries import WRITTEN
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.core.wording import counted, were
from airflow_sf_dedup.errors import CallError, LoadFailedError, PreflightError, RequestRefusedError, SettingError
from airflow_sf_dedup.salesforce.ports import DuplicateFinder
from airflow_sf_dedup.salesforce.soap_access import NO_SOAP
from airflow_sf_dedup.salesforce.writing_nothing import NO_RULE


@dataclass(frozen=True, slots=True)
class Extent:
    """How many records a search looks at, and what that costs."""

    #: Rows that the load wrote.
    written: int
    #: 1: each of them; 10: one in ten.
    every: int
    calls: int

    def __str__(self) -> str:
        """One line for people."""
        which = "each" if self.every == 1 else f"one in {self.every:,}"
        written = f"{counted(self.written, 'rows')} {were(self.written)} written"
        return f"{written}; {which} is looked at, {counted(self.calls, 'calls')}"


def extent_of(written: int, *, ids_per_call: int, max_calls: int, sample: int | None) -> Extent:
    """What a search will cost.

    :param sample: records to look at, evenly over the load; ``None``: all.
    :raises SettingError: it costs more than ``max_calls``.
    """
    every = 1 if sample is None else max(1, ceil(written / sample))
    records = ceil(written / every)
    calls = ceil(records / ids_per_call)
    if calls > max_calls:
        raise SettingError(
            f"max_calls={max_calls:,}: to look at {counted(records, 'records')} takes {counted(calls, 'calls')}; allow "
            f"more, or look at a sample=… of at most {max_calls * ids_per_call:,}",
            setting="max_calls",
        )
    return Extent(written, every, calls)


@dataclass(frozen=True)
class DuplicateSearch:
    """Looks for duplicates among the records of loads."""

    audit: Audit
    jobs: SqlDuplicateJobs
    finder: DuplicateFinder

    def search(self, load: Load, sobject: SObject, every: int) -> DuplicateJob:
        """Look at the records of a load, call by call; one that died goes on where it was.

        :param every: see :class:`Extent`.
        :raises SettingError: it is a plan.
        :raises PreflightError: the org answers no SOAP.
        :raises LoadFailedError: no rule of the sObject is active.
        :raises CallError: a call failed for good; the next search goes on with it.
        """
        if load.kind is LoadKind.PLAN:
            raise SettingError(f"audit: {load.load_id} is a plan, which wrote no record", setting="audit")
        job = self.jobs.begin(load.load_id, every)
        for rows in _batches(self._rows(load, sobject, job), self.finder.ids_per_call):
            job = self._ask(job, rows)
        return self.jobs.end(job)

    def _rows(self, load: Load, sobject: SObject, job: DuplicateJob) -> Iterator[tuple[int, str]]:
        """Row number and record, of the written rows that are to be asked about."""
        places = count()
        for entry in self.audit.entries(load.load_id, actions=WRITTEN):
            if not (entry.record_id and sobject.has_id(entry.record_id)):
                continue
            if next(places) % job.every == 0 and entry.row_number > job.through_row:
                yield entry.row_number, entry.record_id

    def _ask(self, job: DuplicateJob, rows: list[tuple[int, str]]) -> DuplicateJob:
        by_record: dict[str, int] = {}
        for number, record_id in rows:
            by_record.setdefault(record_id, number)
        answers = dict(zip(by_record, self._found(list(by_record)), strict=True))
        found = [
            FoundMatch(number, position, record_id, match)
            for record_id, number in by_record.items()
            if isinstance(answer := answers[record_id], DuplicatesFound)
            for position, match in enumerate(answer.matches or ())
        ]
        further = replace(
            job,
            through_row=rows[-1][0],
            checked=job.checked + len(answers),
            unchecked=job.unchecked + sum(isinstance(each, Failed) for each in answers.values()),
            calls=job.calls + 1,
        )
        self.jobs.remember(further, found)
        return further

    def _found(self, record_ids: list[str]) -> list[DuplicatesFound | Failed]:
        try:
            return self.finder.find(record_ids)
        except CallError as error:
            raise _explained(error) from error


def _explained(error: CallError) -> Exception:
    if error.code == NO_SOAP:
        return PreflightError(
            "the org answers no SOAP call, and findDuplicatesByIds() is one: run a duplicate job in Setup (Duplicate "
            "Jobs) instead, or give the user the SOAP API",
            setting="salesforce_conn_id",
        )
    if isinstance(error, RequestRefusedError) and error.code == NO_RULE:
        return LoadFailedError("no duplicate rule of the sObject is active: nothing can be found until one is on again")
    return error


def _batches(rows: Iterable[tuple[int, str]], size: int) -> Iterator[list[tuple[int, str]]]:
    batch: list[tuple[int, str]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
