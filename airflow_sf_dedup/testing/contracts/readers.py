"""What everything promises that reads records."""

from __future__ import annotations

from datetime import timedelta
from typing import Generic

import pytest

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.errors import PreflightError
from airflow_sf_dedup.salesforce.ports import RecordReader
from airflow_sf_dedup.testing.contracts.orgs import ArrangedOrg, OrgT

# ruff: noqa: S101

#: Nobody's.
_NO_RECORD = to_18("00Q000000999999")


class RecordReaderContract(Generic[OrgT]):
    """Inherit, and answer :meth:`make_org` and :meth:`make_reader`."""

    def make_org(self) -> OrgT:
        """An org for one test."""
        raise NotImplementedError

    def make_reader(self, org: OrgT) -> RecordReader:
        """The reader that is under test, for the leads of that org."""
        raise NotImplementedError

    @pytest.fixture
    def org(self) -> OrgT:
        return self.make_org()

    @pytest.fixture
    def reader(self, org: OrgT) -> RecordReader:
        return self.make_reader(org)

    def test_an_sobject_is_described_with_its_fields(self, org: ArrangedOrg, reader: RecordReader) -> None:
        lead = reader.describe("Lead")
        assert lead.name == "Lead"
        key = lead.field(org.key_rule.field.name)
        assert key is not None
        assert key.external_id
        assert key.unique

    def test_an_sobject_that_is_not_there_is_named(self, reader: RecordReader) -> None:
        with pytest.raises(PreflightError, match="Leed") as raised:
            reader.describe("Leed")
        assert raised.value.setting == "sobject"

    def test_records_are_read_by_id_and_those_in_the_recycle_bin_are_marked(
        self, org: ArrangedOrg, reader: RecordReader
    ) -> None:
        live, gone, key = org.record(key="Live"), org.record(is_deleted=True), org.key_rule.field.name
        found = reader.by_id("Lead", [gone, _NO_RECORD, live], ["Id", key, "LastName"])
        assert found.keys() == {live, gone}
        assert {record_id: record.record_id for record_id, record in found.items()} == {live: live, gone: gone}
        assert [found[each].is_deleted for each in (live, gone)] == [False, True]
        assert found[live].values[key] == "Live"
        assert found[live].values["LastName"] == org.values(live)["LastName"]

    def test_a_deleted_record_tells_its_key_and_its_deletion(self, org: ArrangedOrg, reader: RecordReader) -> None:
        """It was not merged away."""
        gone, key = org.record(key="Gone", is_deleted=True), org.key_rule.field.name
        found = reader.by_id("Lead", [gone], ["Id", key])[gone]
        assert found.values[key] == "Gone"
        assert found.deletion is not None
        assert found.deletion.at is not None
        assert found.deletion.at.utcoffset() == timedelta(0)
        assert found.deletion.by is not None
        assert len(found.deletion.by) == 18
        assert found.deletion.merged_into is None

    def test_live_holders_of_keys_are_found_by_the_fields_own_case_rule(
        self, org: ArrangedOrg, reader: RecordReader
    ) -> None:
        """Each under the key as it was asked for."""
        one, other = org.record(key="Ärger"), org.record(key="b-2")
        org.record(key="gone", is_deleted=True)
        assert reader.holders(["äRGER", "nobody's", "b-2", "gone"]) == {"äRGER": (one,), "b-2": (other,)}

    def test_holders_in_the_recycle_bin_are_found_apart(self, org: ArrangedOrg, reader: RecordReader) -> None:
        gone = org.record(key="Gone", is_deleted=True)
        org.record(key="live")
        assert reader.deleted_holders(["gone", "live", "nobody's"]) == {"gone": (gone,)}

    def test_live_and_deleted_holders_are_found_together(self, org: ArrangedOrg, reader: RecordReader) -> None:
        live, gone = org.record(key="Live"), org.record(key="Gone", is_deleted=True)
        found = reader.all_holders(["LIVE", "gone", "nobody's"])
        assert (found.live, found.deleted) == ({"LIVE": (live,)}, {"gone": (gone,)})

    def test_the_origins_of_live_records_are_told_in_utc(self, org: ArrangedOrg, reader: RecordReader) -> None:
        live, gone = org.record(), org.record(is_deleted=True)
        found = reader.origins([gone, live, _NO_RECORD])
        assert found.keys() == {live}
        for moment in (found[live].created_at, found[live].modified_at):
            assert moment is not None
            assert moment.utcoffset() == timedelta(0)
        for user in (found[live].created_by, found[live].modified_by):
            assert user is not None
            assert len(user) == 18

    def test_nothing_is_found_for_nothing(self, reader: RecordReader) -> None:
        assert reader.by_id("Lead", [], ["Id"]) == {}
        assert reader.holders([]) == {}
        assert reader.deleted_holders([]) == {}
        assert (reader.all_holders([]).live, reader.all_holders([]).deleted) == ({}, {})
        assert reader.origins([]) == {}
