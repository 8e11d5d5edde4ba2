"""Update the record of another sObject that blocked the row, by a field map, and stamp the row's key on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_sf_dedup.core import decisions
from airflow_sf_dedup.core.api_names import is_api_name
from airflow_sf_dedup.core.numeric_settings import MIN_CONFIDENCE
from airflow_sf_dedup.core.other_matches import is_stamped, match_to_update, spelled, why_not_updated
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies.base import Composable, OtherFields


@dataclass(frozen=True, repr=False, init=False)
class UpdateOther(Composable):
    """Update the only live match where it is of another sObject, such as the contact that a lead turns out to be.

    Where nothing is met but a converted lead, by a rule or since it holds the row's key, that is the contact it became.

    :param sobject: of the records that may be updated.
    :param fields: field of the row to the field of that sObject which gets its value.
    :param stamp: the field of that sObject which remembers the row's key. A record that has it already is the row's own
        and is updated again; one that has another key is left alone.
    :param min_confidence: least match confidence in percent, 0 to 100, of a record that is not stamped yet; a match
        below it, or one without a confidence, passes on.
    :raises SettingError: a name is no API name, a field is written twice, or nothing is.
    """

    sobject: str
    #: In the order in which they are named.
    pairs: tuple[tuple[str, str], ...]
    stamp: str
    min_confidence: float
    name: ClassVar[str] = "update_other"

    def __init__(self, sobject: str, fields: Mapping[str, str], stamp: str, min_confidence: float = 0) -> None:
        least = MIN_CONFIDENCE.read(min_confidence, named="update_other: min_confidence", setting="on_duplicate")
        for option, value in (("sobject", sobject), ("stamp", stamp)):
            if not is_api_name(value):
                raise _unusable(f"{option}={value!r} is no API name")
        object.__setattr__(self, "sobject", sobject)
        object.__setattr__(self, "pairs", _pairs(fields, stamp))
        object.__setattr__(self, "stamp", stamp)
        object.__setattr__(self, "min_confidence", least)

    def arguments(self) -> dict[str, object]:
        """All that is needed, and what differs from its default."""
        given: dict[str, object] = {"sobject": self.sobject, "fields": dict(self.pairs), "stamp": self.stamp}
        return {**given, "min_confidence": self.min_confidence} if self.min_confidence else given

    @property
    def named_fields(self) -> tuple[str, ...]:
        """The fields of the row, in any spelling that a source column may have."""
        return tuple(name for name, _ in self.pairs)

    @property
    def other_fields(self) -> OtherFields:
        """The fields of the other sObject."""
        return OtherFields(self.sobject, tuple(name for _, name in self.pairs), self.stamp, self.named_fields)

    def decide(self, case: decisions.DuplicateCase) -> decisions.UpdateOther | decisions.Pass:
        """Claims cases with one certain match of the sObject."""
        if why := why_not_updated(case, self.sobject, self.stamp):
            return decisions.Pass(why)
        match = match_to_update(case)
        is_known = is_stamped(match, case, self.stamp)
        # A converted lead that holds the row's key is certain without a rule.
        if not is_known and not case.obstacle.is_key and (match.confidence or 0) < self.min_confidence:
            return decisions.Pass("confidence_too_low")
        stamp = spelled(match, self.stamp) or self.stamp
        # One that stands there in another spelling stays as it is.
        key = match.own_values[stamp] if is_known else case.record.fields[case.external_id_field]
        return decisions.UpdateOther(match.sobject, match.record_id, {**self._values(case, match), stamp: key}, stamp)

    def _values(self, case: decisions.DuplicateCase, match: decisions.MatchedRecord) -> Mapping[str, Any]:
        carried = {name.lower(): value for name, value in case.record.fields.items()}
        return {
            spelled(match, target) or target: carried[name]
            for source, target in self.pairs
            for name in case.carried_as(source)
            if name in carried
        }


def _pairs(fields: object, stamp: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(fields, Mapping) or not fields or not all(map(_is_name, fields)):
        raise _unusable(
            f"fields={fields!r} is no mapping of fields of the row to fields of the record, "
            "such as {'Email': 'Email', 'Street': 'MailingStreet'}"
        )
    targets = list(fields.values())
    if wrong := [target for target in targets if not is_api_name(target)]:
        raise _unusable(f"fields: {wrong[0]!r} is no API name")
    if twice := _first_twice([*targets, stamp]):
        raise _unusable(f"{twice} would be written twice: each field, and the stamp, is named once")
    return tuple(fields.items())


def _first_twice(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            return name
        seen.add(name.lower())
    return None


def _is_name(name: object) -> bool:
    return isinstance(name, str) and bool(name.strip())


def _unusable(why: str) -> SettingError:
    return SettingError(f"update_other: {why}", setting="on_duplicate")
