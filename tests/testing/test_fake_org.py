"""The org in memory keeps the promises of a real one, so that what passes with it does not fail with an org."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any

from airflow_sf_dedup.core.outcomes import Failed
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.record_state import Deletion
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import RequestRefusedError
from airflow_sf_dedup.salesforce.ports import ChunkRefused, Origin, RecordUpdate
from airflow_sf_dedup.testing.contracts.deletes import RecordDeletesContract
from airflow_sf_dedup.testing.contracts.lookups import DuplicateLookupContract
from airflow_sf_dedup.testing.contracts.readers import RecordReaderContract
from airflow_sf_dedup.testing.contracts.rules import DuplicateRulesContract
from airflow_sf_dedup.testing.contracts.undeletes import RecordUndeletesContract
from airflow_sf_dedup.testing.contracts.write_apis import ChunkApiContract
from airflow_sf_dedup.testing.fake_org import BLOCKED, LEAD, FakeOrg, blocked_by, lead_id, match, row, stored

NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
ME = to_18("005000000000001")
TOO_LONG = Failed("STRING_TOO_LONG", "Last Name: data value too large")


class ArrangedFake:
    """Tells a fake org what to answer."""

    sobject = LEAD

    def __init__(self) -> None:
        self.fake = FakeOrg(refuse=self._refuse)
        self.key_rule = self.fake.key_rule
        self._numbers = count(1)

    def _refuse(self, keys: list[str]) -> ChunkRefused | None:
        is_malformed = any(key.startswith("malformed") for key in keys)
        return ChunkRefused("JSON_PARSER_ERROR", "cannot be read") if is_malformed else None

    def row(self, **fields: Any) -> Record:
        return row(next(self._numbers), **fields)

    def blocked_row(self, *, alerts: bool = False) -> tuple[Record, str]:
        blocked, blocker = self.row(), self.record()
        self.fake.lookups[blocked.key] = blocked_by(match(blocker, allow_save=alerts))
        return blocked, blocker

    def failing_row(self) -> Record:
        failing = self.row()
        self.fake.answers[failing.key], self.fake.lookups[failing.key] = [TOO_LONG], TOO_LONG
        return failing

    def malformed_row(self) -> Record:
        number = next(self._numbers)
        return row(number, f"malformed-{number}")

    def record(self, *, key: str | None = None, is_deleted: bool = False) -> str:
        record_id = lead_id(1000 + next(self._numbers))
        deletion = Deletion(NOW, ME) if is_deleted else None
        self.fake.records[record_id] = stored(record_id, deletion=deletion, Key__c=key, LastName="Old")
        if key is not None:
            (self.fake.deleted if is_deleted else self.fake.held)[key] = (record_id,)
        if not is_deleted:
            self.fake.created[record_id] = Origin(NOW, ME, NOW, ME)
        return record_id

    def blocked_update(self) -> RecordUpdate:
        record_id = self.record()
        self.fake.updates[record_id] = [BLOCKED]
        return RecordUpdate(record_id, {"LastName": "New"})

    def values(self, record_id: str) -> Mapping[str, Any]:
        return self.fake.records[record_id].values

    def holds(self, key: str) -> bool:
        return key in self.fake.held

    def inactive_rule(self) -> str:
        self.fake.rules = {**(self.fake.rules or {}), "Leads_by_city": False}
        return "Leads_by_city"

    def lose_an_answer(self) -> None:
        self.fake.lost.add(len(self.fake.calls) + 1)

    def refuse_a_call(self) -> None:
        self.fake.errors[len(self.fake.calls) + 1] = RequestRefusedError("no", code="JSON_PARSER_ERROR")


class Fake:
    def make_org(self) -> ArrangedFake:
        return ArrangedFake()


class TestWriting(Fake, ChunkApiContract[ArrangedFake]):
    def make_api(self, org: ArrangedFake, *, repeatable: bool = True) -> FakeOrg:
        org.fake.repeatable = repeatable
        return org.fake


class TestLookingUp(Fake, DuplicateLookupContract[ArrangedFake]):
    def make_lookup(self, org: ArrangedFake, *, repeatable: bool = True) -> FakeOrg:
        org.fake.repeatable = repeatable
        return org.fake


class TestLookingUpWithoutWriting(TestLookingUp):
    def make_lookup(self, org: ArrangedFake, *, repeatable: bool = True) -> FakeOrg:
        org.fake.writes = False
        return super().make_lookup(org, repeatable=repeatable)


class TestUndeleting(Fake, RecordUndeletesContract[ArrangedFake]):
    def make_undeletes(self, org: ArrangedFake) -> FakeOrg:
        org.fake.ids_per_call = 20
        return org.fake


class TestDeleting(Fake, RecordDeletesContract[ArrangedFake]):
    def make_deletes(self, org: ArrangedFake) -> FakeOrg:
        return org.fake


class TestReading(Fake, RecordReaderContract[ArrangedFake]):
    def make_reader(self, org: ArrangedFake) -> FakeOrg:
        return org.fake


class TestTellingRules(Fake, DuplicateRulesContract[ArrangedFake]):
    def make_rules(self, org: ArrangedFake) -> FakeOrg:
        return org.fake

    def make_lookup(self, org: ArrangedFake) -> FakeOrg:
        return org.fake


def test_what_is_told_of_a_key_is_answered_in_order_and_the_last_answer_repeated() -> None:
    org = FakeOrg(answers={"A": [TOO_LONG, BLOCKED]})
    answers = [org.upsert([[row(1, "A")]]) for _ in range(3)]
    assert answers == [[[TOO_LONG]], [[BLOCKED]], [[BLOCKED]]]


def test_every_call_is_noted_with_what_it_carried() -> None:
    org = FakeOrg()
    org.upsert([[row(1, "A"), row(2, "B")], [row(3, "C")]])
    org.upsert([[row(4, "D")]], allow_save=True)
    org.holders(["A"])
    assert org.kinds() == ["upsert", "save_anyway", "holders"]
    assert org.sent("upsert") == [[["A", "B"], ["C"]]]
