"""Update the record of another sObject that blocked the row, by a field map, and stamp the row's key on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from airflow_sf_dedup.core import decisions
from airflow_sf_dedup.core.api_names import is_api_name
from airflow_sf_dedup.core.numeric_settings import MIN_CONFIDENCE
from airflow_sf_dedup.core.opt_outs import is_opt_out
from airflow_sf_dedup.core.other_matches import is_stamped, match_to_update, spelled, why_not_updated
from airflow_sf_dedup.core.wording import nearest
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies.base import Composable, OtherFields
from airflow_sf_dedup.policies.overwriting import NOT_READ, FieldRules, Meeting, Offer, choose


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
    :param overwrite: when a field of the record is written: a word for all, or a mapping of the record's fields to
        :class:`~airflow_sf_dedup.policies.overwriting.Overwrite`, with ``"*"`` for the others.
    :raises SettingError: a name is no API name, a field is written twice, or nothing is.
    """

    sobject: str
    #: In the order in which they are named.
    pairs: tuple[tuple[str, str], ...]
    stamp: str
    min_confidence: float
    overwrites: FieldRules
    name: ClassVar[str] = "update_other"

    def __init__(
        self,
        sobject: str,
        fields: Mapping[str, str],
        stamp: str,
        min_confidence: float = 0,
        overwrite: str | Mapping[str, str] | FieldRules = "all",
    ) -> None:
        least = MIN_CONFIDENCE.read(min_confidence, named="update_other: min_confidence", setting="on_duplicate")
        for option, value in (("sobject", sobject), ("stamp", stamp)):
            if not is_api_name(value):
                raise _unusable(f"{option}={value!r} is no API name")
        object.__setattr__(self, "sobject", sobject)
        object.__setattr__(self, "pairs", _pairs(fields, stamp))
        object.__setattr__(self, "stamp", stamp)
        object.__setattr__(self, "min_confidence", least)
        object.__setattr__(self, "overwrites", _overwrites(overwrite, self.pairs))

    def arguments(self) -> dict[str, object]:
        """All that is needed, and what differs from its default."""
        given: dict[str, object] = {"sobject": self.sobject, "fields": dict(self.pairs), "stamp": self.stamp}
        if self.min_confidence:
            given["min_confidence"] = self.min_confidence
        if self.overwrites != FieldRules():
            given["overwrite"] = self.overwrites.as_given()
        return given

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
        meeting = Meeting(case.record.order, match.own_values.get("LastModifiedDate"))
        chosen = choose(self._offers(case, match), self.overwrites, meeting)
        return decisions.UpdateOther(
            match.sobject,
            match.record_id,
            {**chosen.fields, stamp: key},
            stamp,
            chosen.kept_back,
            {**self._sources(case, match), stamp: case.external_id_field},
        )

    def _sources(self, case: decisions.DuplicateCase, match: decisions.MatchedRecord) -> dict[str, str]:
        return {
            spelled(match, target) or target: name
            for source, target in self.pairs
            for name in sorted(case.carried_as(source))
        }

    def _offers(self, case: decisions.DuplicateCase, match: decisions.MatchedRecord) -> Iterator[Offer]:
        carried = {name.lower(): value for name, value in case.record.fields.items()}
        named = {name.lower(): rule for name, rule in self.overwrites.named}
        for source, target in self.pairs:
            own = spelled(match, target)
            for name in case.carried_as(source) & carried.keys():
                stored = NOT_READ if own is None else match.own_values[own]
                # What the map names is never left alone as the owner of a record is otherwise.
                rule = named.get(target.lower()) or (None if is_opt_out(target) else self.overwrites.others)
                yield Offer(own or target, carried[name], stored, rule)


def _overwrites(given: object, pairs: Iterable[tuple[str, str]]) -> FieldRules:
    rules = FieldRules.read(given, "update_other: overwrite", lists=False)
    targets = [target for _, target in pairs]
    for name in rules.names:
        if name.lower() not in {target.lower() for target in targets}:
            raise _unusable(f"overwrite names {name!r}, which fields does not write{nearest(name, targets)}")
    return rules


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
