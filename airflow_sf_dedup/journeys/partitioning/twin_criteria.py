"""In which fields are rows compared that may be one person's (``twin_fields``)?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from airflow_sf_dedup.core.field_names import field_named, nearest_fields
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.twins import Criterion, likened
from airflow_sf_dedup.core.wording import nearest, shown
from airflow_sf_dedup.errors import PreflightError
from airflow_sf_dedup.journeys.preflight import Fit
from airflow_sf_dedup.sources.columns import value_of

#: Stands between the values of a criterion, and in none of them.
_BETWEEN = "\0"


@dataclass(frozen=True, slots=True)
class TwinCriteria:
    """What is compared.

    :ivar fields: of each criterion.
    :ivar names: of all of them, as the setting spells them.
    """

    fields: tuple[tuple[Field, ...], ...]
    names: tuple[str, ...]

    def digests(self, record: Record) -> Iterator[int]:
        """A number for each criterion: rows that agree in it have the same. None where one of its fields is blank."""
        for number, fields in enumerate(self.fields):
            values = [likened(value_of(record.fields, field), field.type) for field in fields]
            if all(values):
                text = f"{number}{_BETWEEN}{_BETWEEN.join(values)}"
                digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
                yield int.from_bytes(digest, "big")

    def check_carried(self, fit: Fit, source: str) -> None:
        """Refuse a field that no column of the load goes to: no row could have a twin by it.

        :param source: what lacks it, as a message begins.
        :raises PreflightError: names the field.
        """
        carried = {column.field for column in fit.columns.values()}
        each = (field for fields in self.fields for field in fields)
        for name, field in zip(self.names, each, strict=True):
            if fit.columns and field not in carried:
                raise _refused(f"{source} {shown(name)!r}{nearest(name, fit.columns)}")


def twin_criteria(criteria: tuple[Criterion, ...], describe: SObject, fit: Fit) -> TwinCriteria | None:
    """What a load's rows are compared in; ``None``: in nothing.

    :raises PreflightError: a name is no field of the sObject, is the key's, or no column of a source that tells its
        columns.
    """
    if not criteria:
        return None
    fields = tuple(tuple(_field(name, describe, fit) for name in names) for names in criteria)
    found = TwinCriteria(fields, tuple(name for names in criteria for name in names))
    found.check_carried(fit, "the source has no column")
    return found


def _field(name: str, describe: SObject, fit: Fit) -> Field:
    found = field_named(describe, name)
    if found is None:
        near = nearest_fields(describe, name)
        raise _refused(f"{shown(name)!r} is no field of {describe.name} that this user can see{near}")
    if found.field == fit.key_rule.field:
        raise _refused(f"{shown(name)!r} is the key: rows of one key are repeats, which on_repeat settles")
    return found.field


def _refused(message: str) -> PreflightError:
    return PreflightError(f"twin_fields: {message}", setting="twin_fields")
