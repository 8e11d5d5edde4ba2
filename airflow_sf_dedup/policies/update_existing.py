"""Update the record that blocked the row, and stamp the key on it."""

from __future__ import annotations

from collections.abc import Mapping, Set
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
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies.base import Composable
from airflow_sf_dedup.policies.options import names

#: Never written to a matched record unless ``fields`` names them: a load must not move a record to
#: another owner or record type because a rule found it.
UNTOUCHED = frozenset({"ownerid", "owner", "recordtypeid", "recordtype"})

#: Stands for a value that was not read, which is no blank.
_NOT_READ = object()


@dataclass(frozen=True, repr=False)
class UpdateExisting(Composable):
    """Update the only live match of the same sobject, so that the next load finds it by its key.

    :param fields: ``"all"`` fields of the row, ``"fill_blanks"`` (only where the record has none), or
        the names of the fields to write. The key is always written.
    :param min_confidence: least match confidence in percent, 0 to 100; a match below it, or one
        without a confidence, passes on.
    """

    fields: str | tuple[str, ...] = "all"
    min_confidence: float = 0
    name: ClassVar[str] = "update_existing"

    def __post_init__(self) -> None:
        if isinstance(self.fields, str):
            if self.fields not in ("all", "fill_blanks"):
                raise SettingError(
                    f'update_existing: fields={self.fields!r} is neither "all", "fill_blanks" '
                    "nor a list of field names",
                    setting="on_duplicate",
                )
        else:
            read = names(self.fields, option="update_existing: fields", what="field names")
            object.__setattr__(self, "fields", read)
        least = MIN_CONFIDENCE.read(
            self.min_confidence, named="update_existing: min_confidence", setting="on_duplicate"
        )
        object.__setattr__(self, "min_confidence", least)

    def arguments(self) -> dict[str, object]:
        """The parameters that differ from their defaults."""
        given: dict[str, object] = {}
        if self.fields != "all":
            given["fields"] = self.fields if isinstance(self.fields, str) else list(self.fields)
        if self.min_confidence:
            given["min_confidence"] = self.min_confidence
        return given

    @property
    def named_fields(self) -> tuple[str, ...]:
        """The fields to write, where they are named, in any spelling that a source column may have."""
        return () if isinstance(self.fields, str) else self.fields

    def decide(self, case: DuplicateCase) -> UpdateMatch | Pass:
        """Claims cases with one certain match."""
        match = certain_match(case)
        if match is None:
            return Pass(uncertainty(case) or "match_uncertain")
        if self.min_confidence and (match.confidence is None or match.confidence < self.min_confidence):
            return Pass("confidence_too_low")
        return UpdateMatch(match.record_id, self._values(case, match))

    def _values(self, case: DuplicateCase, match: MatchedRecord) -> Mapping[str, Any]:
        key_field = case.external_id_field
        named = frozenset[str]().union(*map(case.carried_as, self.named_fields))
        chosen = {
            name: value
            for name, value in case.record.fields.items()
            if name != key_field and self._writes(name, value, match, named)
        }
        return {**chosen, key_field: case.record.fields[key_field]}

    def _writes(self, name: str, value: Any, match: MatchedRecord, named: Set[str]) -> bool:
        if not isinstance(self.fields, str):
            return name.lower() in named
        if name.lower() in UNTOUCHED:
            return False
        if self.fields == "fill_blanks":
            return value not in (None, "") and match.values.get(name, _NOT_READ) in (None, "")
        return True
