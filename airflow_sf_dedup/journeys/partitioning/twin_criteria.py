"""In which fields are rows compared that may be one person's (``twin_fields``)?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from importlib.util import find_spec

from airflow_sf_dedup.core.field_names import field_named, nearest_fields
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.twin_likeness import in_any_order, likeness_asked, named_field
from airflow_sf_dedup.core.twins import Criterion, likened
from airflow_sf_dedup.core.wording import nearest, shown
from airflow_sf_dedup.errors import PreflightError
from airflow_sf_dedup.journeys.preflight import Fit
from airflow_sf_dedup.sources.columns import value_of

#: Stands between the values of a criterion, and in none of them.
_BETWEEN = "\0"


@dataclass(frozen=True, slots=True)
class TwinCriterion:
    """What rows agree in that may be twins.

    :ivar number: tells it from the others.
    :ivar equal: fields that must be equal.
    :ivar similar: fields that need be alike only.
    :ivar likeness: of each of these, in percent.
    """

    number: int
    equal: tuple[Field, ...]
    similar: tuple[Field, ...] = ()
    likeness: tuple[int, ...] = ()

    def digest(self, record: Record) -> int | None:
        """Rows that are equal where they must have the same; ``None``: one of the fields is blank."""
        values = [likened(value_of(record.fields, field), field.type) for field in self.equal]
        if not all(values) or not all(self.texts(record)):
            return None
        text = f"{self.number}{_BETWEEN}{_BETWEEN.join(values)}"
        return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")

    def texts(self, record: Record) -> tuple[str, ...]:
        """What is compared of the fields that need be alike only."""
        return tuple(in_any_order(likened(value_of(record.fields, field), field.type)) for field in self.similar)


@dataclass(frozen=True, slots=True)
class TwinCriteria:
    """What is compared.

    :ivar names: of all fields, as the setting spells them.
    :ivar fields: these fields.
    """

    each: tuple[TwinCriterion, ...]
    names: tuple[str, ...]
    fields: tuple[Field, ...]

    @property
    def similar(self) -> tuple[TwinCriterion, ...]:
        """Those by which rows may be twins that are not equal."""
        return tuple(criterion for criterion in self.each if criterion.similar)

    def digests(self, record: Record) -> Iterator[int]:
        """A number for each other criterion: rows that agree in it have the same. None where a field of it is blank."""
        for criterion in self.each:
            if not criterion.similar and (digest := criterion.digest(record)) is not None:
                yield digest

    def check_carried(self, fit: Fit, source: str) -> None:
        """Refuse a field that no column of the load goes to: no row could have a twin by it.

        :param source: what lacks it, as a message begins.
        :raises PreflightError: names the field.
        """
        carried = {column.field for column in fit.columns.values()}
        for name, field in zip(self.names, self.fields, strict=True):
            if fit.columns and field not in carried:
                raise _refused(f"{source} {shown(name)!r}{nearest(name, fit.columns)}")


def twin_criteria(criteria: tuple[Criterion, ...], describe: SObject, fit: Fit) -> TwinCriteria | None:
    """What a load's rows are compared in; ``None``: in nothing.

    :raises PreflightError: a name is no field of the sObject, is the key's, or no column of a source that tells its
        columns; or rapidfuzz is not installed, which compares what need not be equal.
    """
    if not criteria:
        return None
    each = tuple(_criterion(number, names, describe, fit) for number, names in enumerate(criteria))
    names = [named_field(name) for names in criteria for name in names]
    found = TwinCriteria(each, tuple(names), tuple(_field(name, describe, fit) for name in names))
    found.check_carried(fit, "the source has no column")
    return found


def _criterion(number: int, names: Criterion, describe: SObject, fit: Fit) -> TwinCriterion:
    asked = [(_field(named_field(name), describe, fit), likeness_asked(name), name) for name in names]
    for _, _, name in (each for each in asked if each[1] is not None):
        _check_rapidfuzz(name)
    similar = [(field, percent) for field, percent, _ in asked if percent is not None]
    return TwinCriterion(
        number,
        tuple(field for field, percent, _ in asked if percent is None),
        tuple(field for field, _ in similar),
        tuple(percent for _, percent in similar),
    )


def _field(name: str, describe: SObject, fit: Fit) -> Field:
    found = field_named(describe, name)
    if found is None:
        near = nearest_fields(describe, name)
        raise _refused(f"{shown(name)!r} is no field of {describe.name} that this user can see{near}")
    if found.field == fit.key_rule.field:
        raise _refused(f"{shown(name)!r} is the key: rows of one key are repeats, which on_repeat settles")
    return found.field


def _check_rapidfuzz(name: str) -> None:
    if find_spec("rapidfuzz") is None:
        raise _refused(f"{shown(name)!r} needs rapidfuzz: pip install 'airflow-provider-sf-dedup[fuzzy]'")


def _refused(message: str) -> PreflightError:
    return PreflightError(f"twin_fields: {message}", setting="twin_fields")
