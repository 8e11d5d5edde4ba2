"""Save the row, and let it point to the record that it matches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_sf_dedup.core import decisions
from airflow_sf_dedup.core.api_names import is_api_name
from airflow_sf_dedup.core.likeness import is_blank
from airflow_sf_dedup.core.numeric_settings import MIN_CONFIDENCE
from airflow_sf_dedup.core.other_matches import live_match, why_not_linked
from airflow_sf_dedup.core.record_ids import is_record_id, to_18
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies.base import Composable


@dataclass(frozen=True, repr=False)
class Link(Composable):
    """Write the id of the only live match into a look-up field of the row, and save the row with ``allowSave=true``.

    Only where every rule that refused the row says ``allowSave: true``, as for ``save_anyway``; the matched record
    itself is left as it is.

    :param field: a look-up field of the row's sObject; what it may point to is what may be linked.
    :param min_confidence: least match confidence in percent, 0 to 100; a match below it, or one without a confidence,
        passes on.
    """

    field: str
    min_confidence: float = 0
    name: ClassVar[str] = "link"

    def __post_init__(self) -> None:
        if not is_api_name(self.field):
            raise SettingError(f"link: field={self.field!r} is no API name", setting="on_duplicate")
        least = MIN_CONFIDENCE.read(self.min_confidence, named="link: min_confidence", setting="on_duplicate")
        object.__setattr__(self, "min_confidence", least)

    def arguments(self) -> dict[str, object]:
        """The field, and what differs from its default."""
        return {"field": self.field, **({"min_confidence": self.min_confidence} if self.min_confidence else {})}

    @property
    def lookup_field(self) -> str:
        """The field of the row that it writes, whether the load carries it or not."""
        return self.field

    def decide(self, case: decisions.DuplicateCase) -> decisions.LinkRow | decisions.Pass:
        """Claims what the org allows to be saved, with one match that the field may point to."""
        field = case.described.field(self.field) if case.described else None
        if why := why_not_linked(case, field.reference_to if field else ()):
            return decisions.Pass(why)
        match = live_match(case)
        if self.min_confidence and (match.confidence or 0) < self.min_confidence:
            return decisions.Pass("confidence_too_low")
        if any(_points_elsewhere(value, match.record_id) for value in self._said(case)):
            return decisions.Pass("row_links_elsewhere")
        if not case.allow_save:
            return decisions.Pass("rule_blocks_saving")
        return decisions.LinkRow(match.record_id, field.name if field else self.field)

    def _said(self, case: decisions.DuplicateCase) -> list[Any]:
        """What the row itself says of the field."""
        names = case.carried_as(self.field)
        return [value for name, value in case.record.fields.items() if name.lower() in names]


def _points_elsewhere(value: Any, record_id: str) -> bool:
    return not is_blank(value) and not (is_record_id(str(value)) and to_18(str(value)) == record_id)
