"""The rules in memory keep the promises of those of an org."""

from __future__ import annotations

from itertools import count

from airflow_sf_dedup.core.outcomes import Failed
from airflow_sf_dedup.errors import RequestRefusedError
from airflow_sf_dedup.testing.contracts.finders import DuplicateFinderContract
from airflow_sf_dedup.testing.contracts.rule_switches import DuplicateRuleSwitchesContract
from airflow_sf_dedup.testing.fake_org import blocked_by, lead_id, match
from airflow_sf_dedup.testing.fake_rules import FakeRules, a_rule


class ArrangedRules(FakeRules):
    """Tells the fake what to answer."""

    def __init__(self) -> None:
        rules = [a_rule("By_mail"), a_rule("By_phone"), a_rule("By_city", active=False)]
        super().__init__(rules={rule.name: rule for rule in rules}, stale=1)
        self._numbers = count(1)

    def inactive_rule(self) -> str:
        return "By_city"

    def refuse_a_call(self) -> None:
        self.errors[len(self.calls) + 1] = RequestRefusedError("no", code="INVALID_OPERATION")

    def record(self, *, key: str | None = None, is_deleted: bool = False) -> str:
        record_id = lead_id(next(self._numbers))
        if is_deleted:
            self.found[record_id] = Failed("ENTITY_IS_DELETED", "entity is deleted")
        return record_id

    def duplicates(self) -> tuple[str, str]:
        one, two = self.record(), self.record()
        self.found[one], self.found[two] = blocked_by(match(two)), blocked_by(match(one))
        return one, two


class TestFakeRules(DuplicateRuleSwitchesContract[ArrangedRules]):
    def make_org(self) -> ArrangedRules:
        return ArrangedRules()

    def make_switches(self, org: ArrangedRules) -> ArrangedRules:
        return org

    def make_rules(self, org: ArrangedRules) -> ArrangedRules:
        return org

    def make_running(self, org: ArrangedRules) -> ArrangedRules:
        return org


class TestFakeFinder(DuplicateFinderContract[ArrangedRules]):
    def make_org(self) -> ArrangedRules:
        return ArrangedRules()

    def make_finder(self, org: ArrangedRules) -> ArrangedRules:
        return org
