"""Takes duplicate rules off for a load and gives them back, one process at a time for each sObject of an org.

Before a rule is changed it is written down, and committed, how it was and until when it may be off. So a crash between
any two steps leaves either a rule that is on, or one that the same task's next try, its teardown, any later load of the
sObject or a command switches on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.wording import listed, nearest, shown
from airflow_sf_dedup.errors import PreflightError, SalesforceDedupError
from airflow_sf_dedup.journeys.rule_switching.next_step import Step, as_it_was, step_after, wants_it_off
from airflow_sf_dedup.locks.base import RecordClaim, RecordClaims
from airflow_sf_dedup.locks.rule_holds import HoldState, RuleHold, SqlRuleHolds, sobject_of
from airflow_sf_dedup.salesforce.ports import DuplicateRules, DuplicateRuleSwitches, RuleDefinition, RunningRules

#: How long a process that died keeps others from the rules of an sObject: longer than its calls with all retries.
LOCK_LIFETIME = timedelta(minutes=30)


class RulesBusyError(SalesforceDedupError):
    """Another task is switching rules of this sObject; it passes.

    :param holder: that task, for people.
    """

    def __init__(self, sobject: str, holder: str) -> None:
        super().__init__(f"the duplicate rules of {sobject} are being switched by another task: {holder}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a load wants switched off."""

    sobject: str
    #: DeveloperNames as the org spells them.
    rules: tuple[str, ...]
    holder: str
    conn_id: str
    #: How long the rules may be off.
    lease: timedelta


@dataclass
class GivenBack:
    """What became of rules whose load is over."""

    #: Switched on, in this call or in an earlier one; calls may not meet them yet.
    on: list[RuleHold] = field(default_factory=list)
    #: Off, since somebody changed them meanwhile.
    left: list[RuleHold] = field(default_factory=list)


@dataclass(frozen=True)
class RuleSwitching:
    """Switches rules of one org."""

    org_id: str
    holds: SqlRuleHolds
    lock: RecordClaims
    switches: DuplicateRuleSwitches
    running: RunningRules
    clock: Callable[[], datetime] = utc_now

    def take(self, wanted: Wanted) -> list[RuleHold]:
        """Switch the rules off; the same again renews the lease.

        :raises RulesBusyError: another task is at work on the rules of this sObject.
        :raises CallError: the org refused; what is written down says what may be off.
        """
        with self._alone(wanted.sobject, wanted.holder):
            found = self._found(wanted.sobject, wanted.rules)
            there = self.holds.of_rules(self.org_id, wanted.sobject)
            is_any_on = any(rule.active for rule in found.values())
            met = self.running.running(wanted.sobject) if is_any_on else frozenset[str]()
            taken = [self._taken(wanted, found[name], met, there) for name in wanted.rules]
            self.holds.put([*_corrected(there, found, wanted.holder), *taken])
            self.switches.switch([found[name] for name in wanted.rules if found[name].active], active=False)
            off = [replace(hold, state=HoldState.OFF, changed_at=self.clock()) for hold in taken]
            self.holds.put(off)
            return off

    def renew(self, holds: Sequence[RuleHold], lease: timedelta) -> None:
        """Let holds last as long as if they were taken now."""
        self.holds.put(replace(hold, expires_at=self.clock() + lease) for hold in holds)

    def give_back(self, holds: Sequence[RuleHold], *, by: str) -> GivenBack:
        """Switch on what nobody else wants off and what is as it was left; the same again does no harm.

        :param holds: of this org; the rules of one sObject after those of another.
        :param by: who does it, for others that wait: the holder itself goes on where a process of it died.
        :raises RulesBusyError: as for :meth:`take`.
        :raises CallError: the org refused; the rules that are off are still written down.
        """
        given = GivenBack()
        for sobject, of_sobject in groupby(sorted(holds, key=sobject_of), key=sobject_of):
            with self._alone(sobject, by):
                self._give_back(sobject, list(of_sobject), given)
        return given

    def _give_back(self, sobject: str, holds: Sequence[RuleHold], given: GivenBack) -> None:
        found = self.switches.definitions(sobject, sorted({hold.rule for hold in holds}))
        steps = self._steps(holds, found)
        to_switch = sorted({hold.rule for hold in holds if steps[hold] is Step.SWITCH_ON})
        self.switches.switch([found[name] for name in to_switch], active=True)
        on = [self._on(hold) for hold in holds if steps[hold] in (Step.SWITCH_ON, Step.WAIT)]
        left = [replace(hold, state=HoldState.LEFT) for hold in holds if steps[hold] is Step.LEAVE]
        self.holds.put([*on, *left])
        self.holds.forget(hold for hold in holds if steps[hold] is Step.FORGET)
        given.on += on
        given.left += left

    def _on(self, hold: RuleHold) -> RuleHold:
        return hold if hold.state is HoldState.ON else replace(hold, state=HoldState.ON, changed_at=self.clock())

    def _steps(self, holds: Sequence[RuleHold], found: Mapping[str, RuleDefinition]) -> dict[RuleHold, Step]:
        now, own = self.clock(), set(holds)
        others = [each for each in self.holds.of_rules(self.org_id, holds[0].sobject) if each not in own]
        wanted = {each.rule for each in others if wants_it_off(each, now)}
        return {hold: step_after(hold, found.get(hold.rule), is_wanted_elsewhere=hold.rule in wanted) for hold in holds}

    def _found(self, sobject: str, names: Sequence[str]) -> Mapping[str, RuleDefinition]:
        found = self.switches.definitions(sobject, names)
        if missing := [name for name in names if name not in found]:
            raise PreflightError(
                f"rules: the Metadata API does not show {listed(missing)} of {sobject}, so that nobody could put it "
                "back",
                setting="rules",
            )
        return found

    def _taken(self, wanted: Wanted, found: RuleDefinition, met: frozenset[str], there: Sequence[RuleHold]) -> RuleHold:
        now = self.clock()
        hold = RuleHold(
            org_id=self.org_id,
            sobject=wanted.sobject,
            rule=found.name,
            holder=wanted.holder,
            conn_id=wanted.conn_id,
            was_active=found.active,
            definition=found.elements,
            seen_running=found.active and found.name in met,
            state=HoldState.TAKEN,
            taken_at=now,
            changed_at=now,
            expires_at=now + wanted.lease,
        )
        return as_it_was(hold, found, [each for each in there if each.rule == found.name])

    @contextmanager
    def _alone(self, sobject: str, who: str) -> Iterator[None]:
        place = f"DuplicateRules:{sobject}"
        holder = self.lock.claim(who, self.org_id, [RecordClaim(place, who)])[place]
        if holder != who:
            raise RulesBusyError(sobject, holder)
        try:
            yield
        finally:
            self.lock.release(who, self.org_id, [place])


def _corrected(there: Sequence[RuleHold], found: Mapping[str, RuleDefinition], holder: str) -> list[RuleHold]:
    """Holds of others of rules that are on although these were written down: what is on now is what was before."""
    return [
        replace(each, was_active=True, definition=found[each.rule].elements)
        for each in there
        if each.holder != holder and each.state is not HoldState.ON and each.rule in found and found[each.rule].active
    ]


def rules_named(names: Sequence[str], sobject: str, rules: DuplicateRules) -> tuple[str, ...]:
    """The rules that a setting names, each once, as the org spells them.

    :raises PreflightError: the org has no such rule, and those that it has; or this user may not know.
    """
    there_are = rules.states(sobject)
    if there_are is None:
        raise PreflightError(
            "rules: this user may not see which duplicate rules there are (View Setup and Configuration)",
            setting="rules",
        )
    known = {name.lower(): name for name in there_are}
    unknown = [name for name in names if name.lower() not in known]
    if unknown:
        wrong = listed(unknown, say=lambda name: f"{shown(name)}{nearest(name, there_are)}")
        raise PreflightError(
            f"rules: {sobject} has no duplicate rule {wrong}; it has: {listed(map(shown, there_are)) or 'none'}",
            setting="rules",
        )
    return tuple(dict.fromkeys(known[name.lower()] for name in names))
