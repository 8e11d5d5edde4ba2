"""May a row meet a suspected twin of its load in the org? No look-up can tell, for the twin is not there yet.

In a load a twin goes after the one before it, and the org's own rules compare them. In a plan nothing is written: the
row is planned as if it were alone, and its entry says that a rule may keep it out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from airflow_sf_dedup.core.entries import MAY_MEET_TWIN, WRITTEN, Entry
from airflow_sf_dedup.core.field_rules import FIELDS_KEPT


@dataclass
class TwinsMet:
    """Knows in which groups of twins something would have been written by now."""

    _groups: set[int] = field(default_factory=set, init=False)

    def told(self, entry: Entry) -> Entry:
        """The entry of a row that changes the org, after those of the rows before it."""
        group = entry.twin_group
        if group is None or entry.action not in WRITTEN:
            return entry
        if group not in self._groups:
            self._groups.add(group)
            return entry
        # What the record keeps of its own, the entry's fields name.
        return replace(entry, reason=MAY_MEET_TWIN) if entry.reason in (None, FIELDS_KEPT) else entry
