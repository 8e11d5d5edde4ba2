"""What do the rows of a load have to do with each other, in numbers and in words?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airflow_sf_dedup.core.twins import MOST_TWINS
from airflow_sf_dedup.core.wording import counted


@dataclass(slots=True)
class KinFound:
    """What a load's rows have to do with each other, in numbers."""

    #: Rows that may be twins of another one, and their groups.
    twins: int = 0
    twin_groups: int = 0
    #: Values that too many keys share, and the rows that have them.
    common_values: int = 0
    common_rows: int = 0
    #: Rows that go after a row which they name as their parent.
    children: int = 0
    #: Rows that cannot, since each waits for the other.
    in_a_ring: int = 0
    #: Of the largest family, which one task sends.
    largest: int = 0

    def words(self) -> Iterator[str]:
        """For the log, a line for each."""
        if self.twins:
            yield (
                f"{counted(self.twins, 'rows')} may be twins, in {counted(self.twin_groups, 'groups')}: the rows of a "
                "group go one after the other, so that the org's duplicate rules compare them"
            )
        if self.common_values:
            yield (
                f"{counted(self.common_values, 'values')} of twin_fields would make groups of more than {MOST_TWINS} "
                f"keys ({counted(self.common_rows, 'rows')}): such rows are taken for no twins by them"
            )
        if self.children:
            yield f"{counted(self.children, 'rows')} with a parent among the rows of the load: each goes after it"
        if self.in_a_ring:
            yield (
                f"{counted(self.in_a_ring, 'rows')} in a ring of parents: one row of each ring goes before its parent, "
                "and Salesforce refuses it where that is not in the org yet"
            )
        if self.largest > 1:
            yield f"the largest family has {counted(self.largest, 'rows')}, which one task sends"

    def counts(self) -> dict[str, int]:
        """For the load's journal: what there is of it."""
        found = {"twins": self.twins, "twin_groups": self.twin_groups, "children": self.children}
        found |= {"common_values": self.common_values, "in_a_ring": self.in_a_ring}
        return {name: number for name, number in found.items() if number}
