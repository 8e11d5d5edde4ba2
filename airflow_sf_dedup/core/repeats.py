"""Which rows of one key are sent? Pure decisions; nothing here reads or writes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from airflow_sf_dedup.core.records import Record, row_hash
from airflow_sf_dedup.errors import RepeatsRefusedError, SettingError

#: Keys and rows of each that an error names.
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Superseded:
    """A row that is not sent because another row of its key is sent in its place."""

    record: Record
    #: Row number of the row that is sent.
    by: int


@dataclass(frozen=True, slots=True)
class Settled:
    """Every row of one key, once: either kept or superseded."""

    #: In row order, or in the order of their states; several only with ``in_order``.
    kept: tuple[Record, ...]
    superseded: tuple[Superseded, ...] = ()


def settle_repeats(rows: Sequence[Record], on_repeat: str) -> Settled:
    """Decide which rows of one key are sent.

    Rows that have an ``order`` (``newer_than``) are taken in that order, those of one order in row order:
    the last is the newest.

    :param rows: all rows of one key, in row order, at least one; their orders all of one kind, or none has one.
    :param on_repeat: ``last``, ``first``, ``merge_fields``, ``in_order`` or ``fail``; the last of them keeps
        all rows, and :func:`refuse_repeats` words the error over all keys.
    :raises SettingError: there is no such policy.
    """
    settle = _POLICIES[check_on_repeat(on_repeat)]
    return Settled(kept=(rows[0],)) if len(rows) == 1 else settle(sorted(rows, key=lambda row: row.order or ""))


def check_on_repeat(on_repeat: str) -> str:
    """``on_repeat`` itself.

    :raises SettingError: there is no such policy.
    """
    if isinstance(on_repeat, str) and on_repeat in _POLICIES:
        return on_repeat
    near = difflib.get_close_matches(str(on_repeat), _POLICIES, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise SettingError(f"on_repeat: {on_repeat!r} is none of {', '.join(_POLICIES)}.{hint}", setting="on_repeat")


def refuse_repeats(repeated: int, examples: Iterable[Sequence[int]]) -> RepeatsRefusedError:
    """The error of ``on_repeat="fail"``.

    :param repeated: number of keys that occur more than once.
    :param examples: row numbers of some of them, key by key.
    """
    shown = "; ".join(", ".join(map(str, rows[:_SHOWN])) + (", …" if len(rows) > _SHOWN else "") for rows in examples)
    return RepeatsRefusedError(
        f"on_repeat='fail': {repeated} {'key occurs' if repeated == 1 else 'keys occur'} more than once, "
        f"in rows {shown}. Nothing was sent. Remove the repeats from the source, or choose another on_repeat."
    )


def _keep(winner: Record, rows: Sequence[Record]) -> Settled:
    others = (row for row in rows if row.row_number != winner.row_number)
    return Settled(kept=(winner,), superseded=tuple(Superseded(row, winner.row_number) for row in others))


def _last(rows: Sequence[Record]) -> Settled:
    return _keep(rows[-1], rows)


def _first(rows: Sequence[Record]) -> Settled:
    return _keep(rows[0], rows)


def _merge_fields(rows: Sequence[Record]) -> Settled:
    """The last row with the fields it lacks from the rows before; a null is a value like any other."""
    fields = {name: value for row in rows for name, value in row.fields.items()}
    return _keep(replace(rows[-1], fields=fields, row_hash=row_hash(fields)), rows)


def _in_order(rows: Sequence[Record]) -> Settled:
    return Settled(kept=tuple(replace(row, wave=wave) for wave, row in enumerate(rows)))


def _all(rows: Sequence[Record]) -> Settled:
    return Settled(kept=tuple(rows))


_POLICIES: Mapping[str, Callable[[Sequence[Record]], Settled]] = {
    "last": _last,
    "first": _first,
    "merge_fields": _merge_fields,
    "in_order": _in_order,
    "fail": _all,
}

#: The names of the policies.
ON_REPEAT = tuple(_POLICIES)
