"""Another policy for each range of match confidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_sf_dedup.core.decisions import Decided, DuplicateCase, Pass
from airflow_sf_dedup.core.numeric_settings import MIN_CONFIDENCE, number_in
from airflow_sf_dedup.policies.base import Composable, Policy, ask
from airflow_sf_dedup.policies.options import policies_by


@dataclass(frozen=True, repr=False, init=False)
class ByConfidence(Composable):
    """Ask the policy of the highest threshold that the case's best match confidence reaches.

    The live matches count, or all where none is live. A case below every threshold passes, and so does one to which
    no rule gives a confidence: how sure it is, nobody said.

    :param thresholds: least match confidence in percent, 0 to 100, also in quotes, to a policy in any spelling.
    :raises SettingError: a threshold is no such number or stands there twice, a policy cannot be read, or there is no
        threshold.
    """

    #: From the highest threshold to the lowest.
    by_confidence: tuple[tuple[float, Policy], ...]
    name: ClassVar[str] = "by_confidence"
    #: In strings and YAML its options are a mapping of numbers, not keywords.
    takes_mapping: ClassVar[bool] = True

    def __init__(self, thresholds: Mapping[Any, Any]) -> None:
        example = "{95: 'update_existing', 80: 'ask_reviewer'}"
        read = policies_by(thresholds, name=self.name, example=example, read_key=_threshold, same=float)
        object.__setattr__(self, "by_confidence", tuple(sorted(read, key=lambda each: each[0], reverse=True)))

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Those that it may ask."""
        return tuple(policy for _, policy in self.by_confidence)

    def decide(self, case: DuplicateCase) -> Decided | Pass:
        """What the policy of the best match's threshold says."""
        if case.obstacle.is_key:
            return Pass(case.obstacle.value, tells=False)
        if not case.matched:
            return Pass("no_match_named")
        said = [record.confidence for record in case.matches_that_count if record.confidence is not None]
        if not said:
            return Pass("confidence_not_said")
        chosen = next((policy for least, policy in self.by_confidence if max(said) >= least), None)
        return ask(chosen, case) if chosen is not None else Pass("confidence_too_low")

    def __repr__(self) -> str:
        return f"{self.name}({ {least: repr(policy) for least, policy in self.by_confidence}!r})"


def _threshold(key: object) -> float:
    """A percentage; JSON and XComs know mappings by texts only, so that one in quotes is a number too."""
    number = MIN_CONFIDENCE.take(number_in(key) if isinstance(key, str) else key)
    return int(number) if number == int(number) else number
