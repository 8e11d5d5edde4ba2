"""Rows that have to do with each other meet in one partition, and go one after the other.

Two new rows for one person that go in one call are both saved: no rule compares the rows of a save, and no rule sees
what is not committed. So rows that may be twins go in successive waves, each of which begins when the one before
has been answered, and the org's own rules meet the first when the second arrives. A row that names another row of the
load as its parent goes in a later wave for the like reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.records import Kin, Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.core.waves import Waiting, Waves, in_waves
from airflow_sf_dedup.journeys.partitioning.census import Census, Families, number_of
from airflow_sf_dedup.journeys.partitioning.kin_found import KinFound
from airflow_sf_dedup.journeys.partitioning.own_parents import OwnParents, own_parents
from airflow_sf_dedup.journeys.partitioning.similar import SimilarRows
from airflow_sf_dedup.journeys.partitioning.twin_criteria import TwinCriteria
from airflow_sf_dedup.journeys.partitioning.twin_lines import twin_lines
from airflow_sf_dedup.journeys.preflight import Fit
from airflow_sf_dedup.staging.spool import Compartment, Spool


@dataclass(frozen=True, slots=True)
class Kinship:
    """How rows of a load can have to do with each other."""

    rule: KeyRule
    twins: TwinCriteria | None
    parents: OwnParents | None

    def take_down(self, census: Census, compartment: Compartment) -> None:
        """Count the rows of a compartment that has all rows of its keys."""
        home, records = compartment
        spelled: dict[str, int] = {}
        for record in records:
            key = number_of(self.rule.fold(record.key))
            census.row(key, record.row_number, home)
            if (other := spelled.setdefault(self.rule.partition_fold(record.key), key)) != key:
                census.spelling(other, key)
            for value in self.twins.digests(record) if self.twins else ():
                census.value(key, value)
            for parent in self.parents.keys(record) if self.parents else ():
                census.parent(key, number_of(parent))
            for name in self.parents.names(record) if self.parents else ():
                census.name(key, number_of(name))

    def similar_rows(self, folder: Path) -> list[SimilarRows]:
        """What compares rows that need not be equal."""
        return [
            SimilarRows(each, folder / f"by_likeness_{each.number}", lambda row: number_of(self.rule.fold(row.key)))
            for each in (self.twins.similar if self.twins else ())
        ]


def kinship_of(criteria: TwinCriteria | None, describe: SObject, fit: Fit) -> Kinship | None:
    """How rows of a load that is read can have to do with each other; ``None``: by their keys alone."""
    parents = own_parents(describe, fit)
    return None if criteria is None and parents is None else Kinship(fit.key_rule, criteria, parents)


def gathered(
    compartments: Iterable[Compartment], kinship: Kinship, folder: Path, partitions: int, found: KinFound
) -> Iterator[Compartment]:
    """The same records, families together and in waves; the others stay where they are.

    :param folder: for what waits meanwhile.
    :param found: is told what there is.
    """
    census, waiting, similar = Census(), Spool(folder / "by_kin", partitions), kinship.similar_rows(folder)
    for home, records in compartments:
        kinship.take_down(census, (home, records))
        for record in records:
            waiting.add(home, record)
            for each in similar:
                each.add(record)
    families = census.families(alike for each in similar for alike in each.alike())
    found.common_values, found.common_rows = families.common.values, families.common.rows
    found.largest = max(families.rows.values(), default=0)
    if not families.homes:
        return waiting.compartments()
    return _placed(
        _moved(waiting, families, kinship.rule, Spool(folder / "by_family", partitions)), families, kinship, found
    )


def _moved(waiting: Spool, families: Families, rule: KeyRule, spool: Spool) -> Iterator[Compartment]:
    for home, records in waiting.compartments():
        for record in records:
            spool.add(families.home(number_of(rule.fold(record.key)), home), record)
    return spool.compartments()


def _placed(
    compartments: Iterable[Compartment], families: Families, kinship: Kinship, found: KinFound
) -> Iterator[Compartment]:
    for home, records in compartments:
        keys = {record.key: number_of(kinship.rule.fold(record.key)) for record in records}
        alone = [record for record in records if keys[record.key] not in families.together]
        rows = [record for record in records if keys[record.key] in families.together]
        rows.sort(key=lambda record: (record.order or "", record.row_number))
        twins = [_twins(keys[record.key], families) for record in rows]
        waves = in_waves([_waiting(record, twin, kinship) for record, twin in zip(rows, twins, strict=True)])
        _count(found, twins, waves)
        yield home, [*alone, *_with_kin(rows, twins, waves)]


def _twins(key: int, families: Families) -> int | None:
    return families.twins.root(key) if key in families.twins else None


def _waiting(record: Record, twins: int | None, kinship: Kinship) -> Waiting:
    if kinship.parents is None:
        return Waiting(kinship.rule.fold(record.key), twins=twins)
    parents, names = kinship.parents.keys(record), kinship.parents.names(record)
    return Waiting(kinship.rule.fold(record.key), parents, twins, names)


def _with_kin(rows: list[Record], twins: list[int | None], waves: Waves) -> Iterator[Record]:
    """The records with their waves, and the numbers of the rows that they have to do with."""
    lines = twin_lines(rows, twins, waves.wave)
    for row, twin, wave, parents in zip(rows, twins, waves.wave, waves.parents, strict=True):
        numbers = tuple(rows[each].row_number for each in parents)
        group, before = (None, None) if twin is None else lines[twin].place(wave)
        yield replace(row, wave=wave, kin=Kin(group, before, numbers) if group or numbers else None)


def _count(found: KinFound, twins: list[int | None], waves: Waves) -> None:
    groups = [twin for twin in twins if twin is not None]
    found.twins += len(groups)
    found.twin_groups += len(set(groups))
    found.children += sum(map(bool, waves.parents))
    found.in_a_ring += len(waves.in_a_ring)
