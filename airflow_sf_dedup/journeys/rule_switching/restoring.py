"""Puts back rules that a load left off: its lease is over, and its teardown did not come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from airflow_sf_dedup.core.wording import listed
from airflow_sf_dedup.errors import SalesforceDedupError
from airflow_sf_dedup.journeys.rule_switching.switching import RuleSwitching
from airflow_sf_dedup.locks.rule_holds import HoldState, RuleHold

#: What a person runs.
COMMAND = "python -m airflow_sf_dedup.audit rules --restore"

#: About a rule that somebody changed while it was off.
WHAT_TO_DO = (
    "switch it on in Setup if it is to be on; where it is to stay off, "
    "`python -m airflow_sf_dedup.audit rules --forget` ends this warning"
)

#: Opens the way to the org of a hold, by the connection that it names.
Open = Callable[[RuleHold], RuleSwitching]


@dataclass
class Restored:
    """What became of the rules."""

    #: On again.
    on: list[RuleHold] = field(default_factory=list)
    #: Off, and changed by somebody meanwhile.
    left: list[RuleHold] = field(default_factory=list)
    #: Those that could not be asked about, with the reason.
    failed: list[tuple[RuleHold, str]] = field(default_factory=list)

    def __str__(self) -> str:
        """One line for people."""
        parts = [
            (self.on, "on again"),
            (self.left, "off and changed by somebody meanwhile, so left as they are"),
            ([hold for hold, _ in self.failed], "not put back"),
        ]
        return "; ".join(
            f"{listed(sorted({each.full_name for each in holds}))}: {what}" for holds, what in parts if holds
        )


def is_due(hold: RuleHold, now: datetime) -> bool:
    """Whether nobody is left who gives the hold back."""
    return hold.expires_at <= now or hold.state is HoldState.LEFT


def restore(holds: Iterable[RuleHold], open_switching: Open, *, by: str) -> Restored:
    """Give back these holds, sObject by sObject; one that fails keeps no other off."""
    restored = Restored()
    for _, group in groupby(sorted(holds, key=_place), key=_place):
        of_place = list(group)
        try:
            _restore(of_place, open_switching(of_place[0]), by, restored)
        except SalesforceDedupError as error:
            restored.failed += [(hold, str(error)) for hold in of_place]
    return restored


def _restore(holds: Sequence[RuleHold], switching: RuleSwitching, by: str, restored: Restored) -> None:
    given = switching.give_back(holds, by=by)
    # Nobody waits until calls meet them.
    switching.holds.forget(given.on)
    restored.on += given.on
    restored.left += given.left


def _place(hold: RuleHold) -> tuple[str, str, str]:
    return hold.org_id, hold.sobject, hold.conn_id


def warnings_of(restored: Restored) -> list[str]:
    """What a load says in its log of rules that another one left off, and what to do."""
    lines = []
    if restored.on:
        lines.append(f"duplicate rules that an earlier load left off are on again: {_named(restored.on)}")
    if restored.left:
        lines.append(
            "a duplicate rule is OFF that a load switched off, and somebody changed it meanwhile: "
            f"{_named(restored.left)}. It is left as it is: {WHAT_TO_DO}"
        )
    lines += [
        f"the duplicate rule {hold.full_name} is OFF: {hold.holder} switched it off and did not put it back, and this "
        f"task cannot ({reason}). Run `{COMMAND}` where the connection {hold.conn_id} is known"
        for hold, reason in restored.failed
    ]
    return lines


def _named(holds: Sequence[RuleHold]) -> str:
    return listed(holds, say=lambda hold: f"{hold.full_name} (of {hold.holder})")
