"""What everything promises that says which records of an org are duplicates."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

import pytest

from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.salesforce.ports import DuplicateFinder

# ruff: noqa: S101


class LeadsToCompare(Protocol):
    """An org of leads. Each call arranges something of its own."""

    def record(self, *, key: str | None = None, is_deleted: bool = False) -> str:
        """The id of a new record that no rule finds another one for."""

    def duplicates(self) -> tuple[str, str]:
        """Two records that an active rule takes for the same."""

    def refuse_a_call(self) -> None:
        """The next call is refused as a whole."""


LeadsT = TypeVar("LeadsT", bound=LeadsToCompare)


class DuplicateFinderContract(Generic[LeadsT]):
    """Inherit, and answer :meth:`make_org` and :meth:`make_finder`."""

    def make_org(self) -> LeadsT:
        """An org for one test."""
        raise NotImplementedError

    def make_finder(self, org: LeadsT) -> DuplicateFinder:
        """What is under test."""
        raise NotImplementedError

    @pytest.fixture
    def org(self) -> LeadsT:
        return self.make_org()

    @pytest.fixture
    def finder(self, org: LeadsT) -> DuplicateFinder:
        return self.make_finder(org)

    def test_two_duplicates_find_each_other_and_neither_itself(self, org: LeadsT, finder: DuplicateFinder) -> None:
        one, two = org.duplicates()
        answers = finder.find([two, one])
        matches = [each.matches for each in answers if isinstance(each, DuplicatesFound)]
        assert [[match.record_id for match in each or ()] for each in matches] == [[one], [two]]
        assert all(match.sobject == "Lead" and match.duplicate_rule for each in matches for match in each or ())

    def test_each_answer_is_in_its_place(self, org: LeadsT, finder: DuplicateFinder) -> None:
        """One that nothing is found for, one that cannot be asked about, and one of two."""
        alone, gone, (one, two) = org.record(), org.record(is_deleted=True), org.duplicates()
        first, second, third = finder.find([alone, gone, one])
        assert isinstance(first, DuplicatesFound)
        assert not first.matches
        assert isinstance(second, Failed)
        assert isinstance(third, DuplicatesFound)
        assert [match.record_id for match in third.matches or ()] == [two]

    def test_no_record_is_no_call(self, org: LeadsT, finder: DuplicateFinder) -> None:
        org.refuse_a_call()
        assert finder.find([]) == []

    def test_as_many_records_as_it_says_go_in_one_call(self, org: LeadsT, finder: DuplicateFinder) -> None:
        records = [org.record() for _ in range(finder.ids_per_call)]
        assert len(finder.find(records)) == len(records)

    def test_a_call_that_is_refused_raises(self, org: LeadsT, finder: DuplicateFinder) -> None:
        record = org.record()
        org.refuse_a_call()
        with pytest.raises(CallError):
            finder.find([record])
