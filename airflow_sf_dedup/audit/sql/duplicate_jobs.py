"""What did a load let through? The records of a load that the org's rules take for duplicates, looked for afterwards.

The matches of one call and how far the search has come are committed together, so that a search that dies goes on with
the next call. Records that hang together, by whatever pairs, have one group; nothing but the pairs of one call is held
in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Select, Subquery, delete, func, insert, literal, or_, select, union, update

from airflow_sf_dedup.audit.sql.held_load import hold_load
from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.core.outcomes import Match
from airflow_sf_dedup.database.bulk import among, insert_into
from airflow_sf_dedup.database.contention import again
from airflow_sf_dedup.database.engine import reading, writing
from airflow_sf_dedup.database.storable import stored_word
from airflow_sf_dedup.database.tables import duplicate_job, found_match


@dataclass(frozen=True, slots=True)
class DuplicateJob:
    """How far the search of one load has come."""

    load_id: str
    #: 1: each written row; 10: one in ten.
    every: int
    #: The last row that was asked about; 0: none yet.
    through_row: int
    #: Records that were asked about.
    checked: int
    #: Of these, records that the org did not answer for, as those deleted since.
    unchecked: int
    calls: int
    started_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FoundMatch:
    """A record that a rule takes for the same as one that a row was written to."""

    row_number: int
    #: Of several for one row, from 0.
    position: int
    record_id: str
    match: Match


@dataclass(frozen=True, slots=True)
class FoundDuplicates:
    """What the search of one load found."""

    #: Written records that have duplicates.
    records: int
    groups: int
    #: Records of the largest group.
    largest: int
    #: Duplicate rule to the written records that it found others for, most first.
    rules: Mapping[str, int]
    #: The ids of some groups, each sorted.
    sample: tuple[tuple[str, ...], ...]


class SqlDuplicateJobs(SqlPart):
    """Keeps searches in ``sf_dedup_duplicate_job``, and what they found in ``sf_dedup_found_match``."""

    def begin(self, load_id: str, every: int) -> DuplicateJob:
        """Go on with the search of a load, or begin anew where it ended or looked at other rows.

        :raises LoadMissingError: the load was purged.
        """
        with writing(self.engine) as connection:
            hold_load(connection, load_id)
            there = _job(connection, load_id)
            if there is not None and there.ended_at is None and there.every == every:
                return there
            for table in (found_match, duplicate_job):
                connection.execute(delete(table).where(table.c.load_id == load_id))
            job = DuplicateJob(load_id, every, 0, 0, 0, 0, self.clock())
            connection.execute(insert(duplicate_job).values(asdict(job)))
            return job

    def remember(self, job: DuplicateJob, found: Sequence[FoundMatch]) -> None:
        """Keep what one call found, and how far the search has come with it."""
        again()(self._remember, job, found)

    def end(self, job: DuplicateJob) -> DuplicateJob:
        """The search is over."""
        ended = replace(job, ended_at=self.clock())
        self.remember(ended, [])
        return ended

    def found(self, load_id: str, *, sample: int = 5, members: int = 10) -> FoundDuplicates:
        """What was found.

        :param sample: groups that are shown, the largest first; of each at most ``members`` ids.
        """
        with reading(self.engine) as connection:
            records = _distinct(connection, load_id, found_match.c.record_id)
            groups = _distinct(connection, load_id, found_match.c.group_id)
            rules = {str(row[0]): int(row[1]) for row in connection.execute(_records_by_rule(load_id))}
            sizes = [(str(row[0]), int(row[1])) for row in connection.execute(_group_sizes(load_id).limit(sample))]
            shown = tuple(_members(connection, load_id, group_id, members) for group_id, _ in sizes)
        return FoundDuplicates(records, groups, sizes[0][1] if sizes else 0, rules, shown)

    def _remember(self, job: DuplicateJob, found: Sequence[FoundMatch]) -> None:
        with writing(self.engine) as connection:
            if found:
                groups = _grouped(connection, job.load_id, found)
                rows = [_row(job.load_id, each, groups[each.record_id]) for each in found]
                insertion = insert_into(self.engine.dialect, found_match)
                connection.execute(insertion.on_conflict_do_nothing(), rows)
            here = duplicate_job.c.load_id == job.load_id
            connection.execute(update(duplicate_job).where(here).values(asdict(job)))


def _job(connection: Connection, load_id: str) -> DuplicateJob | None:
    columns = [duplicate_job.c[each.name] for each in fields(DuplicateJob)]
    row = connection.execute(select(*columns).where(duplicate_job.c.load_id == load_id)).first()
    return None if row is None else DuplicateJob(**row._asdict())


def _grouped(connection: Connection, load_id: str, found: Iterable[FoundMatch]) -> dict[str, str]:
    """The group of each record of one call; groups that these records join become one."""
    pairs = [(each.record_id, each.match.record_id) for each in found]
    ids = sorted({record_id for pair in pairs for record_id in pair})
    columns, dialect = found_match.c, connection.dialect
    meets = or_(among(dialect, columns.record_id, ids), among(dialect, columns.matched_record_id, ids))
    known = select(columns.record_id, columns.matched_record_id, columns.group_id).where(
        columns.load_id == load_id, meets
    )
    earlier = connection.execute(known).all()
    links = [(record_id, group_id) for one, two, group_id in earlier for record_id in (one, two)]
    groups = connected([*pairs, *links])
    for old in {row.group_id for row in earlier}:
        if groups[old] != old:
            moved = update(found_match).where(columns.load_id == load_id, columns.group_id == old)
            connection.execute(moved.values(group_id=groups[old]))
    return groups


def connected(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Each id to the smallest of those that it hangs together with."""
    leaders: dict[str, str] = {}

    def leader(each: str) -> str:
        while leaders.setdefault(each, each) != each:
            leaders[each] = leaders[leaders[each]]
            each = leaders[each]
        return each

    for pair in pairs:
        low, high = sorted(map(leader, pair))
        leaders[high] = low
    return {each: leader(each) for each in list(leaders)}


def _row(load_id: str, found: FoundMatch, group_id: str) -> dict[str, object]:
    match = found.match
    return {
        "load_id": load_id,
        "row_number": found.row_number,
        "position": found.position,
        "record_id": found.record_id,
        "matched_record_id": match.record_id,
        "matched_sobject": match.sobject,
        "group_id": group_id,
        "duplicate_rule": stored_word(match.duplicate_rule),
        "matching_rule": stored_word(match.matching_rule),
        "engine": stored_word(match.engine),
        "confidence": match.confidence,
    }


def _distinct(connection: Connection, load_id: str, column: Column[str]) -> int:
    query = select(func.count(column.distinct())).where(found_match.c.load_id == load_id)
    return int(connection.scalar(query) or 0)


def _records_by_rule(load_id: str) -> Select[Any, Any]:
    rule, records = func.coalesce(found_match.c.duplicate_rule, ""), func.count(found_match.c.record_id.distinct())
    return select(rule, records).where(found_match.c.load_id == load_id).group_by(rule).order_by(records.desc(), rule)


def _group_members(load_id: str) -> Subquery:
    columns = found_match.c
    here = columns.load_id == load_id
    return union(
        select(columns.group_id, columns.record_id.label("member")).where(here),
        select(columns.group_id, columns.matched_record_id.label("member")).where(here),
    ).subquery()


def _group_sizes(load_id: str) -> Select[Any, Any]:
    members = _group_members(load_id)
    size = func.count(literal(1)).label("size")
    return select(members.c.group_id, size).group_by(members.c.group_id).order_by(size.desc(), members.c.group_id)


def _members(connection: Connection, load_id: str, group_id: str, most: int) -> tuple[str, ...]:
    members = _group_members(load_id)
    query = select(members.c.member).where(members.c.group_id == group_id).order_by(members.c.member).limit(most)
    return tuple(connection.scalars(query))
