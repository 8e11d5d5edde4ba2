"""Which keys of a load belong together? Counted once over all rows, in some forty bytes a row.

Keys and values are known by numbers, digests of 64 bits. Where two had the same by chance, two rows would go one after
the other without need, and nothing else.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain

from airflow_sf_dedup.core.links import Links
from airflow_sf_dedup.core.twins import MOST_TWINS

#: Into which values are parted while equal ones are looked for, so that few are in memory as objects.
_BUCKETS = 256


def number_of(key: str) -> int:
    """The number that a folded key is known by."""
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


@dataclass(slots=True)
class Common:
    """Values that too many keys share for these to be twins."""

    values: int = 0
    rows: int = 0


@dataclass(slots=True)
class Families:
    """What belongs together.

    :ivar twins: keys of rows that may be twins.
    :ivar together: keys that go to one partition: twins, parents and children, and all spellings of a key.
    :ivar homes: the first row of each family, by its root, and that row's partition.
    :ivar rows: of each family, by its root.
    """

    twins: Links
    together: Links
    common: Common
    homes: dict[int, tuple[int, int]] = field(default_factory=dict)
    rows: dict[int, int] = field(default_factory=dict)

    def home(self, key: int, own: int) -> int:
        """The partition of a key.

        :param own: where it would be by itself.
        """
        return self.homes[self.together.root(key)][1] if key in self.together else own


class Census:
    """Takes down every row."""

    def __init__(self) -> None:
        self._keys, self._rows, self._homes = array("Q"), array("Q"), array("I")
        #: Value and key, one after the other.
        self._values = [array("Q") for _ in range(_BUCKETS)]
        #: Child and parent, one after the other; two spellings likewise.
        self._children, self._spellings = array("Q"), array("Q")
        #: Name and key, one after the other.
        self._names = array("Q")

    def row(self, key: int, row_number: int, home: int) -> None:
        """A row, and the partition where it would be by itself."""
        self._keys.append(key)
        self._rows.append(row_number)
        self._homes.append(home)

    def value(self, key: int, value: int) -> None:
        """What a row is compared by."""
        self._values[value % _BUCKETS].extend((value, key))

    def parent(self, key: int, parent: int) -> None:
        """A key, or another name, that a row names as its parent; it need be no row's."""
        self._children.extend((key, parent))

    def name(self, key: int, name: int) -> None:
        """What a row may be named by as a parent, beside its key."""
        self._names.extend((name, key))

    def spelling(self, key: int, other: int) -> None:
        """Two keys that must not meet two tasks, although the org may tell them apart."""
        self._spellings.extend((key, other))

    def families(self, similar: Iterable[tuple[list[int], int]] = ()) -> Families:
        """What belongs together, and where.

        :param similar: keys of rows that may be twins although they differ, and the number of the rows.
        """
        families = Families(Links(), Links(), Common())
        self._find_twins(families, similar)
        self._find_children(families.together)
        for pair in _pairs(self._spellings):
            families.together.join(pair)
        self._find_homes(families)
        return families

    def _find_twins(self, families: Families, similar: Iterable[tuple[list[int], int]]) -> None:
        """A smaller group is the better reason: it goes before one that would make a family too large."""
        equal = sorted(self._alike(), key=lambda group: (len(group[0]), group[0]))
        for keys, rows in chain(equal, similar):
            if len(keys) > MOST_TWINS or families.twins.size(keys) > MOST_TWINS:
                families.common.values += 1
                families.common.rows += rows
            else:
                families.twins.join(keys)
                families.together.join(keys)

    def _alike(self) -> Iterator[tuple[list[int], int]]:
        """The keys that share a value, and the number of rows that have it; of many keys not all."""
        for bucket in self._values:
            keys: dict[int, list[int]] = {}
            rows: dict[int, int] = {}
            for value, key in _pairs(bucket):
                known = keys.setdefault(value, [])
                rows[value] = rows.get(value, 0) + 1
                if len(known) <= MOST_TWINS and key not in known:
                    known.append(key)
            yield from ((sorted(known), rows[value]) for value, known in keys.items() if len(known) > 1)

    def _find_children(self, together: Links) -> None:
        """A parent that is no row of the load keeps nothing together."""
        named = set(self._children[1::2])
        here = {key: key for key in self._keys if key in named} if named else {}
        for name, key in _pairs(self._names):
            if name in named:
                here.setdefault(name, key)
        for child, name in _pairs(self._children):
            if (parent := here.get(name, child)) != child:
                together.join((child, parent))

    def _find_homes(self, families: Families) -> None:
        for key, row_number, home in zip(self._keys, self._rows, self._homes, strict=True):
            if key in families.together:
                root = families.together.root(key)
                families.homes[root] = min(families.homes.get(root, (row_number, home)), (row_number, home))
                families.rows[root] = families.rows.get(root, 0) + 1


def _pairs(flat: Iterable[int]) -> Iterator[tuple[int, int]]:
    each = iter(flat)
    return zip(each, each, strict=True)
