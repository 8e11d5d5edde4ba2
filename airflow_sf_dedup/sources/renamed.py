"""The rows of another source, under other column names.

Who is sent a file did not choose its header. ``{"E-Mail": "Email"}`` hands the column *E-Mail* on as *Email*; columns
that are not named stay as they are. All columns change at once, so that two can change names. Whatever reads the rows
knows the new names only; a message to whoever has to mend the source says the source's own.

A column is found by its name without regard to case, to blanks around it, and to whether an accent is part of its
letter or follows it, which no reader can see.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from airflow_sf_dedup.core.wording import counted, listed, nearest, shown
from airflow_sf_dedup.errors import SettingError, SourceError
from airflow_sf_dedup.sources.base import Source, SourceRow
from airflow_sf_dedup.sources.headers import doubt_of_header, may_be_values


@dataclass(frozen=True)
class RenamedColumns:
    """A source that hands on another one's rows under other column names.

    :param source: whose rows they are; :func:`~airflow_sf_dedup.sources.source_of` makes one of rows in memory.
    :param rename: from the source's name of a column to the name in its place.
    :raises SettingError: ``rename`` is no mapping of names, names one column twice, or gives one name to two.
    """

    source: Source
    rename: Mapping[str, str]

    def __post_init__(self) -> None:
        if not isinstance(self.source, Source):
            raise SettingError(
                f"source: RenamedColumns takes a source, not a {type(self.source).__name__}; source_of(…) makes one of "
                "rows or of a file, and what another task returns is renamed in that task",
                setting="source",
            )
        _check(self.rename)

    @property
    def name(self) -> str:
        """The name of the source whose rows they are."""
        return self.source.name

    def columns(self) -> tuple[str, ...] | None:
        """The columns of all rows under their new names.

        :raises SourceError: a column that is to be renamed is not there, or two would have one name.
        """
        return self._columns

    def rows(self) -> Iterator[SourceRow]:
        """The rows under their new names; one that lacks a column has nothing to rename there.

        :raises SourceError: as :meth:`columns`. Where each row brings its own columns, a name that none of them has is
            known to be missing only after the last row.
        """
        each_brings_its_own, readable = self._columns is None, 0
        for row in self.source.rows():
            readable += row.problem is None
            yield self._renamed(row)
        if each_brings_its_own and readable:
            self._check_found(
                self._seen, f"none of the {counted(readable, 'rows')} of {self.name} has a column", self._seen
            )

    def own_name(self, column: str) -> str:
        """What the source itself calls a column that it handed on."""
        own = next((name for name, new in self._seen.items() if new == column), column)
        return own_names(self.source)(own)

    @cached_property
    def _columns(self) -> tuple[str, ...] | None:
        own = self.source.columns()
        if own is None:
            return None
        self._check_found(own, f"{self.name} has no column", () if may_be_values(own) else own, doubt_of_header(own))
        self._learn(own)
        self._check_apart(own, self.name)
        return tuple(map(self._seen.__getitem__, own))

    @cached_property
    def _seen(self) -> dict[str, str]:
        """The columns that were read, as the source spells them, and the name that each is handed on under."""
        return {}

    @cached_property
    def _new_names(self) -> Mapping[str, str]:
        return {_folded(name): new.strip() for name, new in self.rename.items()}

    def _learn(self, own: Iterable[str]) -> None:
        self._seen.update((name, self._new_names.get(_folded(name), name)) for name in own)

    def _renamed(self, row: SourceRow) -> SourceRow:
        seen = self._seen
        is_new = not row.values.keys() <= seen.keys()
        if is_new:
            self._learn(row.values)
        values = {seen[name]: value for name, value in row.values.items()}
        if is_new or len(values) != len(row.values):
            self._check_apart(row.values, f"row {row.row_number} of {self.name}")
        return SourceRow(row.row_number, values, row.problem)

    def _check_found(self, own: Collection[str], lacking: str, quotable: Iterable[str], hint: str = "") -> None:
        """Refuse a name that is not among the source's own.

        :param lacking: begins the sentence that the name ends.
        :param quotable: names that a message may offer in its place.
        :param hint: at what else may be wrong.
        """
        there = set(map(_folded, own))
        missing = [name for name in self.rename if _folded(name) not in there]
        if missing:
            free = [name for name in quotable if _folded(name) not in self._new_names]
            names = listed(missing, say=lambda name: f"{shown(name)!r}{nearest(name.strip(), free)}")
            raise SourceError(f"rename: {lacking} {names}{hint and '.' + hint}", setting="rename")

    def _check_apart(self, own: Iterable[str], where: str) -> None:
        """Refuse two columns to which the renaming gives one name."""
        given = {_folded(new): new for new in self._new_names.values()}
        new_names = ((name, self._seen[name]) for name in own)
        if pair := _of_one_name((name, new) for name, new in new_names if _folded(new) in given):
            new = shown(given[_folded(self._seen[pair[0]])])
            raise SourceError(
                f"rename: {_both(pair)} of {where} would both be {new!r}; rename or remove one", setting="rename"
            )


def own_names(source: Source) -> Callable[[str], str]:
    """Tells what the source itself calls a column that it hands on: what a person looks for who mends the source."""
    return source.own_name if isinstance(source, RenamedColumns) else str


def innermost(source: Source) -> Source:
    """The source whose rows are handed on, under whatever names."""
    return innermost(source.source) if isinstance(source, RenamedColumns) else source


def _check(rename: Any) -> None:
    """Refuse what is no mapping of names, or is wrong whatever columns the source has."""
    if not isinstance(rename, Mapping):
        raise _refused(f"expected a mapping of the source's names to new ones, got {type(rename).__name__}")
    for name, new in rename.items():
        if not _is_name(name):
            raise _refused(f"{name!r:.80} is the name of no column")
        if not _is_name(new):
            raise _refused(
                f"the new name of {shown(name)!r} is {new!r:.80}, which names nothing; a column that must not be "
                "loaded has to be left out of the source"
            )
    if pair := _of_one_name((name, name) for name in rename):
        raise _refused(f"{_both(pair)} are one column, as case and blanks around a name do not count; keep one")
    if pair := _of_one_name(rename.items()):
        raise _refused(f"{_both(pair)} would both be {shown(rename[pair[0]])!r}; give each a name of its own")


def _of_one_name(named: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    """The first two columns whose new names are one.

    :param named: columns, each with its new name.
    """
    first: dict[str, str] = {}
    for column, new in named:
        other = first.setdefault(_folded(new), column)
        if other != column:
            return other, column
    return None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().lower()


def _both(pair: tuple[str, str]) -> str:
    return " and ".join(f"{shown(name)!r}" for name in pair)


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(name.strip())


def _refused(message: str) -> SettingError:
    return SettingError(f"rename: {message}", setting="rename")
