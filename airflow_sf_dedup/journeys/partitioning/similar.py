"""Which rows are alike but for a few letters? Compared are those that agree in the other fields of a criterion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from airflow_sf_dedup.core.links import Links
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.twins import MOST_TWINS
from airflow_sf_dedup.journeys.partitioning.twin_criteria import TwinCriterion
from airflow_sf_dedup.staging.spool import Spool

#: Different values that are compared with each other, among rows that agree in the rest.
MOST_COMPARED = 1000

#: Files for the rows meanwhile, of which memory holds one.
_FILES = 256

#: What a row is compared by: a text for each field that need not be equal.
Texts = tuple[str, ...]

#: Keys of rows that may be twins, and the number of the rows; of many keys not all.
Alike = tuple[list[int], int]


#: Of rows that agree in all fields that must be equal: texts to the keys of the rows that have them.
_Block = dict[Texts, list[int]]


class SimilarRows:
    """Takes down the rows that one criterion compares.

    :param folder: for the rows meanwhile.
    :param number_of: by what a row's key is known.
    """

    def __init__(self, criterion: TwinCriterion, folder: Path, number_of: Callable[[Record], int]) -> None:
        self._criterion, self._number_of = criterion, number_of
        self._spool = Spool(folder, _FILES)

    def add(self, record: Record) -> None:
        """A row; one that is blank in a field of the criterion is like no other."""
        if (block := self._criterion.digest(record)) is not None:
            self._spool.add(block % _FILES, record)

    def alike(self) -> Iterator[Alike]:
        """The keys of rows that may be twins."""
        for _, records in self._spool.compartments():
            blocks: dict[int | None, _Block] = {}
            for record in records:
                block = blocks.setdefault(self._criterion.digest(record), {})
                block.setdefault(self._criterion.texts(record), []).append(self._number_of(record))
            for block in blocks.values():
                yield from _alike(block, self._criterion.likeness)


def _alike(block: _Block, likeness: tuple[int, ...]) -> Iterator[Alike]:
    """The groups of one block. One that is too large is told all the same, after those of its rows that are equal."""
    texts = list(block)
    for group in _groups(texts, likeness) if len(texts) <= MOST_COMPARED else [texts]:
        rows = [key for each in group for key in block[each]]
        keys = set(rows)
        if len(keys) > MOST_TWINS and len(group) > 1:
            yield from _equal(block, group)
        if len(keys) > 1:
            yield sorted(keys), len(rows)


def _equal(block: _Block, group: list[Texts]) -> Iterator[Alike]:
    for each in group:
        if 1 < len(keys := set(block[each])) <= MOST_TWINS:
            yield sorted(keys), len(block[each])


def _groups(texts: list[Texts], likeness: tuple[int, ...]) -> list[list[Texts]]:
    """Texts that are alike, directly or by way of others."""
    links, groups = Links(), dict[int, list[Texts]]()
    for pair in _pairs(texts, likeness):
        links.join(pair)
    for place, each in enumerate(texts):
        groups.setdefault(links.root(place), []).append(each)
    return list(groups.values())


def _pairs(texts: list[Texts], likeness: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """The places of two texts that are alike in each field; the first field is compared with all at once."""
    from rapidfuzz import fuzz, process

    firsts = [each[0] for each in texts]
    rest = list(enumerate(likeness))[1:]
    for place, one in enumerate(texts):
        others = firsts[place + 1 :]
        for _, _, ahead in process.extract(one[0], others, scorer=fuzz.ratio, score_cutoff=likeness[0], limit=None):
            other = texts[place + 1 + ahead]
            if all(fuzz.ratio(one[field], other[field], score_cutoff=least) for field, least in rest):
                yield place, place + 1 + ahead
