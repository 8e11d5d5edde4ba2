"""Update the record that blocked the row, and stamp the key on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_sf_dedup.core.decisions import (
    DuplicateCase,
    MatchedRecord,
    Pass,
    UpdateMatch,
    certain_match,
    uncertainty,
)
from airflow_sf_dedup.core.numeric_settings import MIN_CONFIDENCE
from airflow_sf_dedup.policies.base import Composable
from airflow_sf_dedup.policies.overwriting import (
    NOT_READ,
    Chosen,
    FieldRules,
    Meeting,
    Offer,
    Overwrite,
    OverwritesFields,
    choose,
)


@dataclass(frozen=True, repr=False)
class UpdateExisting(OverwritesFields, Composable):
    """Update the only live match of the same sobject, so that the next load finds it by its key.

    :param fields: ``"all"`` fields of the row, ``"fill_blanks"`` (only where the record has none), the names of the
        fields to write, or a mapping of fields to :class:`~airflow_sf_dedup.policies.overwriting.Overwrite`, with
        ``"*"`` for the others. The key is always written.
    :param min_confidence: least match confidence in percent, 0 to 100; a match below it, or one
        without a confidence, passes on.
    """

    fields: str | tuple[str, ...] | Mapping[str, str] | FieldRules = "all"
    min_confidence: float = 0
    name: ClassVar[str] = "update_existing"

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", FieldRules.read(self.fields, "update_existing: fields"))
        least = MIN_CONFIDENCE.read(
            self.min_confidence, named="update_existing: min_confidence", setting="on_duplicate"
        )
        object.__setattr__(self, "min_confidence", least)

    def arguments(self) -> dict[str, object]:
        """The parameters that differ from their defaults."""
        given: dict[str, object] = {}
        if self.overwrites != FieldRules():
            given["fields"] = self.overwrites.as_given()
        if self.min_confidence:
            given["min_confidence"] = self.min_confidence
        return given

    def decide(self, case: DuplicateCase) -> UpdateMatch | Pass:
        """Claims cases with one certain match."""
        match = certain_match(case)
        if match is None:
            return Pass(uncertainty(case) or "match_uncertain")
        if self.min_confidence and (match.confidence is None or match.confidence < self.min_confidence):
            return Pass("confidence_too_low")
        return chosen_update(case, match, self.overwrites)


def chosen_update(case: DuplicateCase, match: MatchedRecord, rules: FieldRules) -> UpdateMatch:
    """The fields of the row that the rules let be written to the record, and the key where a field carries it."""
    chosen = _chosen(case, match, rules)
    key = {} if case.match_fields else {case.external_id_field: case.record.fields[case.external_id_field]}
    return UpdateMatch(match.record_id, {**chosen.fields, **key}, chosen.kept_back)


def _chosen(case: DuplicateCase, match: MatchedRecord, rules: FieldRules) -> Chosen:
    return choose(_offers(case, match, rules), rules, Meeting(case.record.order, match.values.get("LastModifiedDate")))


def _offers(case: DuplicateCase, match: MatchedRecord, rules: FieldRules) -> Iterator[Offer]:
    named: dict[str, Overwrite] = {alias: rule for name, rule in rules.named for alias in case.carried_as(name)}
    for name, value in case.record.fields.items():
        if name != case.external_id_field:
            yield Offer(name, value, _stored(match, name), named.get(name.lower()))


def _stored(match: MatchedRecord, name: str) -> Any:
    return match.values.get(name, NOT_READ)
