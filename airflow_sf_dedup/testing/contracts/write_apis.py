"""What every write API promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Generic, TypeVar

import pytest

from airflow_sf_dedup.core.known_record import KnownRecord
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, Outcome, Saved
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError, OutcomeUnknownError
from airflow_sf_dedup.salesforce.ports import ChunkApi, ChunkRefused, RecordUpdate
from airflow_sf_dedup.testing.contracts.orgs import ArrangedOrg, OrgT

# ruff: noqa: S101

_T = TypeVar("_T")


class ChunkApiContract(Generic[OrgT]):
    """Inherit, and answer :meth:`make_org` and :meth:`make_api`."""

    def make_org(self) -> OrgT:
        """An org for one test."""
        raise NotImplementedError

    def make_api(self, org: OrgT, *, repeatable: bool = True) -> ChunkApi:
        """The API that is under test, for the leads of that org."""
        raise NotImplementedError

    @pytest.fixture
    def org(self) -> OrgT:
        return self.make_org()

    @pytest.fixture
    def api(self, org: OrgT) -> ChunkApi:
        return self.make_api(org)

    def test_a_row_of_a_new_key_is_created_and_one_of_a_known_key_updates_that_record(
        self, org: ArrangedOrg, api: ChunkApi
    ) -> None:
        row, late = org.row(), list[None]()
        [created] = upserted(api, [row], on_late=lambda: late.append(None))
        assert isinstance(created, Saved)
        assert created.created is True
        assert len(created.record_id) == 18
        assert upserted(api, [row]) == [Saved(created.record_id, False)]
        assert org.values(created.record_id)["LastName"] == row.fields["LastName"]
        assert late == [], "no sending was given up"

    def test_each_row_has_its_outcome_in_its_place(self, org: ArrangedOrg, api: ChunkApi) -> None:
        """A row that is refused keeps no other one out."""
        first, last = org.row(), org.row()
        outcomes = upserted(api, [first, org.failing_row(), org.blocked_row()[0], last])
        assert [type(outcome) for outcome in outcomes] == [Saved, Failed, DuplicatesFound, Saved]
        for row, outcome in ((first, outcomes[0]), (last, outcomes[3])):
            assert isinstance(outcome, Saved)
            assert org.values(outcome.record_id)["LastName"] == row.fields["LastName"]

    def test_a_refused_row_says_why(self, org: ArrangedOrg, api: ChunkApi) -> None:
        [failed] = upserted(api, [org.failing_row()])
        assert isinstance(failed, Failed)
        assert failed.code
        assert not failed.in_doubt

    def test_as_many_rows_as_it_says_go_in_one_call(self, org: ArrangedOrg, api: ChunkApi) -> None:
        assert api.rows_per_chunk >= 1
        assert api.chunks_per_call >= 1
        chunks = [[org.row() for _ in range(api.rows_per_chunk)] for _ in range(api.chunks_per_call)]
        answers = api.upsert(chunks)
        assert [len(_rows(answer)) for answer in answers] == [api.rows_per_chunk] * api.chunks_per_call
        ids = [outcome.record_id for answer in answers for outcome in _rows(answer) if isinstance(outcome, Saved)]
        assert len(set(ids)) == api.rows_per_chunk * api.chunks_per_call

    def test_a_chunk_that_cannot_be_read_is_refused_alone_and_as_a_whole(self, org: ArrangedOrg, api: ChunkApi) -> None:
        """None of its rows is in the org, and the other chunks of the call are."""
        beside, elsewhere = org.row(), org.row()
        spoilt = [beside, org.malformed_row()][-api.rows_per_chunk :]
        answers = api.upsert([spoilt, [elsewhere]][: api.chunks_per_call])
        refused = answers[0]
        assert isinstance(refused, ChunkRefused)
        assert refused.code
        assert not refused.in_doubt
        assert [type(outcome) for answer in answers[1:] for outcome in _rows(answer)] == [Saved] * (len(answers) - 1)
        [saved] = upserted(api, [beside])
        assert isinstance(saved, Saved)
        assert saved.created is True

    def test_only_allow_save_overrides_a_rule_and_only_one_that_alerts(self, org: ArrangedOrg, api: ChunkApi) -> None:
        alerted, blocked = org.blocked_row(alerts=True)[0], org.blocked_row()[0]
        assert [type(each) for each in upserted(api, [alerted, blocked])] == [DuplicatesFound] * 2
        assert [type(each) for each in upserted(api, [alerted, blocked], allow_save=True)] == [Saved, DuplicatesFound]

    def test_a_row_of_a_known_record_is_written_by_its_id_and_creates_nothing(
        self, org: ArrangedOrg, api: ChunkApi
    ) -> None:
        row = org.row()
        known, gone = org.record(key=row.key), org.record(is_deleted=True)
        spelled = replace(row, fields={**row.fields, org.key_rule.field.name: row.key.swapcase()})
        outcomes = upserted(
            api, [replace(spelled, known=KnownRecord(known)), replace(org.row(), known=KnownRecord(gone))]
        )
        assert outcomes[0] == Saved(known, False)
        assert isinstance(outcomes[1], Failed)
        held = org.values(known)
        assert (held["LastName"], held[org.key_rule.field.name]) == (row.fields["LastName"], row.key)

    def test_a_row_that_is_known_to_be_new_is_inserted_and_updates_nothing(
        self, org: ArrangedOrg, api: ChunkApi
    ) -> None:
        fresh, row = org.row(), org.row()
        holder = org.record(key=row.key)
        before = dict(org.values(holder))
        created, refused = upserted(api, [replace(each, known=KnownRecord()) for each in (fresh, row)])
        assert isinstance(created, Saved)
        assert created.created is True
        assert org.values(created.record_id)["LastName"] == fresh.fields["LastName"]
        assert isinstance(refused, Failed)
        assert refused.code == "DUPLICATE_VALUE"
        assert org.values(holder) == before

    def test_each_chunk_of_a_call_is_written_in_its_own_way(self, org: ArrangedOrg, api: ChunkApi) -> None:
        by_id, new, by_key = org.row(), org.row(), org.row()
        ways = [KnownRecord(org.record(key=by_id.key)), KnownRecord(), None]
        chunks = [[replace(row, known=known)] for row, known in zip((by_id, new, by_key), ways, strict=True)]
        calls = [chunks[start : start + api.chunks_per_call] for start in range(0, 3, api.chunks_per_call)]
        outcomes = [outcome for call in calls for answer in api.upsert(call) for outcome in _rows(answer)]
        assert [isinstance(each, Saved) and each.created for each in outcomes] == [False, True, True]

    def test_a_lost_answer_to_an_insert_is_in_doubt_and_doubles_nothing(self, org: ArrangedOrg, api: ChunkApi) -> None:
        row = replace(org.row(), known=KnownRecord())
        org.lose_an_answer()
        [outcome] = upserted(api, [row])
        assert isinstance(outcome, Failed)
        assert (outcome.code, outcome.in_doubt) == ("DUPLICATE_VALUE", True)
        assert org.holds(row.key)

    def test_records_are_updated_by_id_each_outcome_in_its_place(self, org: ArrangedOrg, api: ChunkApi) -> None:
        first, gone, last = org.record(), org.record(is_deleted=True), org.record()
        outcomes = updated(api, [RecordUpdate(each, {"LastName": f"New {each}"}) for each in (first, gone, last)])
        assert [type(outcome) for outcome in outcomes] == [Saved, Failed, Saved]
        for record_id, outcome in ((first, outcomes[0]), (last, outcomes[2])):
            assert isinstance(outcome, Saved)
            assert outcome.record_id == record_id
            assert not outcome.created
            assert org.values(record_id)["LastName"] == f"New {record_id}"

    def test_an_update_is_under_the_duplicate_rules(self, org: ArrangedOrg, api: ChunkApi) -> None:
        assert [type(outcome) for outcome in updated(api, [org.blocked_update()])] == [DuplicatesFound]

    def test_a_call_that_is_refused_raises_and_saves_nothing(self, org: ArrangedOrg, api: ChunkApi) -> None:
        row = org.row()
        org.refuse_a_call()
        with pytest.raises(CallError) as raised:
            upserted(api, [row])
        assert not raised.value.in_doubt
        [saved] = upserted(api, [row])
        assert isinstance(saved, Saved)
        assert saved.created is True

    def test_after_a_lost_answer_nobody_knows_whether_the_row_was_created(
        self, org: ArrangedOrg, api: ChunkApi
    ) -> None:
        """It was, by the sending that got no answer; the next one can only tell of an update."""
        row, late = org.row(), list[None]()
        org.lose_an_answer()
        [saved] = upserted(api, [row], on_late=lambda: late.append(None))
        assert isinstance(saved, Saved)
        assert saved.created is None
        assert len(late) == 1, "whoever has the row hears of a sending that may still be carried out"

    def test_after_a_lost_answer_a_row_of_a_known_record_was_not_created(self, org: ArrangedOrg, api: ChunkApi) -> None:
        row = org.row()
        known = org.record(key=row.key)
        org.lose_an_answer()
        assert upserted(api, [replace(row, known=KnownRecord(known))]) == [Saved(known, False)]

    def test_what_is_refused_after_a_lost_answer_is_in_doubt(self, org: ArrangedOrg, api: ChunkApi) -> None:
        row, _ = org.blocked_row()
        org.lose_an_answer()
        [found] = upserted(api, [row])
        assert isinstance(found, DuplicatesFound)
        assert found.in_doubt

    def test_an_update_that_got_no_answer_is_sent_again(self, org: ArrangedOrg, api: ChunkApi) -> None:
        """The same values twice do no harm."""
        record_id, late = org.record(), list[None]()
        org.lose_an_answer()
        [outcome] = updated(api, [RecordUpdate(record_id, {"LastName": "New"})], on_late=lambda: late.append(None))
        assert isinstance(outcome, Saved)
        assert len(late) == 1

    def test_by_a_key_that_is_not_unique_a_row_of_unknown_outcome_is_not_sent_again(self, org: OrgT) -> None:
        """The second sending could create a second record."""
        api, late = self.make_api(org, repeatable=False), list[None]()
        assert not api.repeatable
        org.lose_an_answer()
        with pytest.raises(OutcomeUnknownError):
            upserted(api, [org.row()], on_late=lambda: late.append(None))
        assert late == []


def upserted(api: ChunkApi, rows: Sequence[Record], **how: Any) -> list[Outcome]:
    """The outcomes of rows, sent in as few calls as the API needs."""
    return list(chain.from_iterable(_rows(answer) for call in _calls(api, rows) for answer in api.upsert(call, **how)))


def updated(api: ChunkApi, updates: Sequence[RecordUpdate], **how: Any) -> list[Outcome]:
    """The outcomes of updates, sent in as few calls as the API needs."""
    return list(
        chain.from_iterable(_rows(answer) for call in _calls(api, updates) for answer in api.update(call, **how))
    )


def _calls(api: ChunkApi, rows: Sequence[_T]) -> Iterator[list[Sequence[_T]]]:
    chunks = list(_parts(rows, api.rows_per_chunk))
    for part in _parts(chunks, api.chunks_per_call):
        yield list(part)


def _parts(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _rows(answer: list[Outcome] | ChunkRefused) -> list[Outcome]:
    assert isinstance(answer, list), answer
    return answer
