"""The answers to the ports keep their contracts, over sockets."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.outcomes import DuplicatesFound
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.errors import PermissionRefusedError
from airflow_sf_dedup.salesforce.collections import CollectionsApi
from airflow_sf_dedup.salesforce.collections_deletes import CollectionsDeletes
from airflow_sf_dedup.salesforce.duplicate_finder import SoapDuplicateFinder
from airflow_sf_dedup.salesforce.duplicate_rules import OrgRules
from airflow_sf_dedup.salesforce.ports import DuplicateLookup
from airflow_sf_dedup.salesforce.reader import OrgReader
from airflow_sf_dedup.salesforce.rule_switches import MetadataRuleSwitches
from airflow_sf_dedup.salesforce.running_rules import ProbedRules
from airflow_sf_dedup.salesforce.soap_access import SoapAccess
from airflow_sf_dedup.salesforce.soap_lookup import SoapUpsertLookup
from airflow_sf_dedup.salesforce.soap_undeletes import SoapUndeletes
from airflow_sf_dedup.salesforce.wire.rest import WriteOptions
from airflow_sf_dedup.salesforce.write_paths import LOOKUP_PATHS, WriteTarget
from airflow_sf_dedup.testing.contracts.deletes import RecordDeletesContract
from airflow_sf_dedup.testing.contracts.finders import DuplicateFinderContract
from airflow_sf_dedup.testing.contracts.lookups import DuplicateLookupContract
from airflow_sf_dedup.testing.contracts.orgs import OnEmulator, OrgOnEmulator
from airflow_sf_dedup.testing.contracts.readers import RecordReaderContract
from airflow_sf_dedup.testing.contracts.rule_switches import DuplicateRuleSwitchesContract
from airflow_sf_dedup.testing.contracts.rules import DuplicateRulesContract
from airflow_sf_dedup.testing.contracts.undeletes import RecordUndeletesContract
from airflow_sf_dedup.testing.contracts.write_apis import ChunkApiContract


class TestCollectionsApi(OnEmulator, ChunkApiContract[OrgOnEmulator]):
    def make_api(self, org: OrgOnEmulator, *, repeatable: bool = True) -> CollectionsApi:
        return CollectionsApi(
            org.session,
            sobject=org.sobject.name,
            external_id_field=org.key_rule.field.name,
            key_prefix=org.sobject.key_prefix,
            repeatable=repeatable,
        )


def opened(name: str, org: OrgOnEmulator, *, repeatable: bool = True) -> DuplicateLookup:
    """As a load opens it, by its line in the table."""
    key_field = replace(org.key_rule.field, unique=repeatable)
    return LOOKUP_PATHS[name].open(org.session, WriteTarget(org.sobject, KeyRule(key_field)), WriteOptions())


class TestSoapUpsertLookup(OnEmulator, DuplicateLookupContract[OrgOnEmulator]):
    def make_lookup(self, org: OrgOnEmulator, *, repeatable: bool = True) -> DuplicateLookup:
        return opened("soap_upsert", org, repeatable=repeatable)


class TestRestUpsertLookup(OnEmulator, DuplicateLookupContract[OrgOnEmulator]):
    def make_lookup(self, org: OrgOnEmulator, *, repeatable: bool = True) -> DuplicateLookup:
        return opened("rest", org, repeatable=repeatable)


class TestFindDuplicatesLookup(OnEmulator, DuplicateLookupContract[OrgOnEmulator]):
    def make_lookup(self, org: OrgOnEmulator, *, repeatable: bool = True) -> DuplicateLookup:
        return opened("find_duplicates", org, repeatable=repeatable)


class TestPredupeLookup(OnEmulator, DuplicateLookupContract[OrgOnEmulator]):
    def make_lookup(self, org: OrgOnEmulator, *, repeatable: bool = True) -> DuplicateLookup:
        return opened("predupe", org, repeatable=repeatable)


class TestOrgReader(OnEmulator, RecordReaderContract[OrgOnEmulator]):
    def make_reader(self, org: OrgOnEmulator) -> OrgReader:
        return OrgReader(org.session, sobject=org.sobject, key_rule=org.key_rule)


class TestOrgReaderWithoutSoap(TestOrgReader):
    """Its queries go by REST."""

    def make_reader(self, org: OrgOnEmulator) -> OrgReader:
        soap_access = SoapAccess()
        assert soap_access.is_refused_by(PermissionRefusedError("no", code="API_DISABLED_FOR_ORG"))
        return OrgReader(org.session, sobject=org.sobject, key_rule=org.key_rule, soap_access=soap_access)


def test_each_line_of_the_table_says_what_its_look_up_does() -> None:
    with EmulatedOrg.start() as emulated:
        org = OrgOnEmulator(emulated)
        for name, path in LOOKUP_PATHS.items():
            lookup = opened(name, org)
            assert (path.name, path.rows_a_call, path.writes) == (name, lookup.rows_per_call, lookup.writes)
            if path.without_soap is not None:
                instead = LOOKUP_PATHS[path.without_soap]
                assert (instead.writes, instead.without_soap) == (path.writes, None)
        org.session.close()


def costs_of_a_thousand() -> dict[str, int]:
    """Calls for 1,000 blocked rows, by the table of the page."""
    page = (Path(__file__).parents[2] / "docs" / "costs.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| [\d,]+ \| ([\d,]+) \| (?:yes|no) \|", page, re.MULTILINE)
    return {name: int(calls.replace(",", "")) for name, calls in rows}


@pytest.mark.parametrize("name", LOOKUP_PATHS)
def test_the_page_says_what_a_thousand_blocked_rows_cost(name: str) -> None:
    """Counted for two hundred: a look-up that writes nothing needs one query more, for whose keys are held."""
    with EmulatedOrg.start() as emulated:
        org, path = OrgOnEmulator(emulated), LOOKUP_PATHS[name]
        rows = [org.row(Email="one@example.com") for _ in range(200)]
        emulated.seed("Lead", [{"LastName": "One", "Company": "Acme", "Email": "one@example.com"}])
        before = emulated.state.stats()["api_calls"]
        lookup = opened(name, org)
        for start in range(0, len(rows), path.rows_a_call):
            for each in lookup.look_up(rows[start : start + path.rows_a_call]):
                assert isinstance(each, DuplicatesFound)
                assert each.matches
        counted = emulated.state.stats()["api_calls"] - before
        assert costs_of_a_thousand()[name] == 5 * counted + (not path.writes)
        org.session.close()


class TestOrgRules(OnEmulator, DuplicateRulesContract[OrgOnEmulator]):
    def make_rules(self, org: OrgOnEmulator) -> OrgRules:
        return OrgRules(org.session)

    def make_lookup(self, org: OrgOnEmulator) -> SoapUpsertLookup:
        return SoapUpsertLookup(org.session, sobject=org.sobject, external_id_field=org.key_rule.field.name)

    def test_a_user_who_may_not_see_the_set_up_is_told_none(self, org: OrgOnEmulator) -> None:
        org.refuse_a_call()
        assert OrgRules(org.session).states("Lead") is None


class TestSoapUndeletes(OnEmulator, RecordUndeletesContract[OrgOnEmulator]):
    def make_undeletes(self, org: OrgOnEmulator) -> SoapUndeletes:
        return SoapUndeletes(org.session)


class TestMetadataRuleSwitches(OnEmulator, DuplicateRuleSwitchesContract[OrgOnEmulator]):
    def make_switches(self, org: OrgOnEmulator) -> MetadataRuleSwitches:
        return MetadataRuleSwitches(org.session)

    def make_rules(self, org: OrgOnEmulator) -> OrgRules:
        return OrgRules(org.session)

    def make_running(self, org: OrgOnEmulator) -> ProbedRules:
        return ProbedRules(org.session)

    def test_a_call_is_sent_again_where_its_answer_is_lost(self, org: OrgOnEmulator) -> None:
        switches = MetadataRuleSwitches(org.session)
        rules = list(switches.definitions("Lead", ["Lead_Phone"]).values())
        org.lose_an_answer()
        switches.switch(rules, active=False)
        assert (OrgRules(org.session).states("Lead") or {})["Lead_Phone"] is False


@pytest.mark.parametrize("shows_nil", [False, True], ids=["left out", "nil"])
def test_rules_of_every_kind_go_back_as_they_were_read(shows_nil: bool) -> None:
    """With fields mapped to another sObject, alerts, reports and blocks."""
    with EmulatedOrg.start({"extends": "default", "quirks": {"read_metadata_shows_nil": shows_nil}}) as emulated:
        org = OrgOnEmulator(emulated)
        switches = MetadataRuleSwitches(org.session)
        before = switches.definitions("Lead", list(OrgRules(org.session).states("Lead") or {}))
        switches.switch(list(before.values()), active=False)
        switches.switch(list(switches.definitions("Lead", list(before)).values()), active=True)
        assert switches.definitions("Lead", list(before)) == before
        org.session.close()


class TestSoapDuplicateFinder(OnEmulator, DuplicateFinderContract[OrgOnEmulator]):
    def make_finder(self, org: OrgOnEmulator) -> SoapDuplicateFinder:
        return SoapDuplicateFinder(org.session)


class TestCollectionsDeletes(OnEmulator, RecordDeletesContract[OrgOnEmulator]):
    def make_deletes(self, org: OrgOnEmulator) -> CollectionsDeletes:
        return CollectionsDeletes(org.session)
