"""What becomes of a rule whose load is over? Pure: what is remembered and what the org has now, in; a step, out.

Whoever changed a rule while it was off is not overruled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from enum import Enum, auto

from airflow_sf_dedup.locks.rule_holds import HoldState, RuleHold
from airflow_sf_dedup.salesforce.ports import RuleDefinition

_WANTS_IT_OFF = (HoldState.TAKEN, HoldState.OFF)


class Step(Enum):
    """What is done about one hold that is given back."""

    #: Switch the rule on: it is as we left it, and nobody else wants it off.
    SWITCH_ON = auto()
    #: It is on again, by whomever; calls may not meet it yet.
    WAIT = auto()
    #: Nothing is left to do.
    FORGET = auto()
    #: It is off, and no more what it was: somebody changed it.
    LEAVE = auto()


def wants_it_off(hold: RuleHold, now: datetime) -> bool:
    """Whether the hold still counts."""
    return hold.state in _WANTS_IT_OFF and hold.expires_at > now


def step_after(hold: RuleHold, found: RuleDefinition | None, *, is_wanted_elsewhere: bool) -> Step:
    """What to do about a hold whose load is over.

    :param found: the rule as the org has it now; ``None``: it is gone.
    :param is_wanted_elsewhere: another load wants it off as well.
    """
    if is_wanted_elsewhere or not hold.was_active:
        return Step.FORGET
    if found is None:
        return Step.LEAVE
    if found.active:
        return Step.WAIT
    if hold.state is HoldState.ON:
        # Somebody switched it off after us.
        return Step.FORGET
    return Step.SWITCH_ON if found.is_alike(hold.definition) else Step.LEAVE


def as_it_was(wanted: RuleHold, found: RuleDefinition, there: Iterable[RuleHold]) -> RuleHold:
    """A new hold with the rule's state before the first load switched it off.

    A rule that is on now is its own previous state. One that is off is off by a load that has not given it back, or
    was off before.

    :param there: holds of that rule, of whomever.
    """
    if found.active:
        return replace(wanted, was_active=True, definition=found.elements)
    earlier = next((each for each in there if each.state is not HoldState.ON and each.was_active), None)
    if earlier is None:
        return replace(wanted, was_active=False, definition=found.elements)
    return replace(wanted, was_active=True, definition=earlier.definition, seen_running=earlier.seen_running)
