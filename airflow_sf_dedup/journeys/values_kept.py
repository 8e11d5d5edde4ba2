"""May the audit keep values of a field?"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from airflow_sf_dedup.core.entries import AuditValues


@dataclass(frozen=True, slots=True)
class ValuesKept:
    """What the settings of a task say.

    :ivar masked: names of fields, in lower case.
    """

    audit_values: AuditValues
    masked: Set[str]

    def __call__(self, *names: str | None) -> bool:
        """Whether values of a field are kept, outside of rows that await a person.

        :param names: all that it has in rows and records; ``None``: one that is not known, which may be masked.
        """
        is_masked = any(name.lower() in self.masked if name else bool(self.masked) for name in names)
        return self.audit_values is not AuditValues.NONE and not is_masked
