"""The answers to the ports keep their contracts, over sockets."""

from __future__ import annotations

from airflow_sf_dedup.salesforce.collections import CollectionsApi
from airflow_sf_dedup.salesforce.duplicate_rules import OrgRules
from airflow_sf_dedup.salesforce.reader import OrgReader
from airflow_sf_dedup.salesforce.soap_lookup import SoapUpsertLookup
from airflow_sf_dedup.testing.contracts.lookups import DuplicateLookupContract
from airflow_sf_dedup.testing.contracts.orgs import OnEmulator, OrgOnEmulator
from airflow_sf_dedup.testing.contracts.readers import RecordReaderContract
from airflow_sf_dedup.testing.contracts.rules import DuplicateRulesContract
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


class TestSoapUpsertLookup(OnEmulator, DuplicateLookupContract[OrgOnEmulator]):
    def make_lookup(self, org: OrgOnEmulator, *, repeatable: bool = True) -> SoapUpsertLookup:
        return SoapUpsertLookup(
            org.session,
            sobject=org.sobject,
            external_id_field=org.key_rule.field.name,
            repeatable=repeatable,
        )


class TestOrgReader(OnEmulator, RecordReaderContract[OrgOnEmulator]):
    def make_reader(self, org: OrgOnEmulator) -> OrgReader:
        return OrgReader(org.session, sobject=org.sobject, key_rule=org.key_rule)


class TestOrgRules(OnEmulator, DuplicateRulesContract[OrgOnEmulator]):
    def make_rules(self, org: OrgOnEmulator) -> OrgRules:
        return OrgRules(org.session)

    def make_lookup(self, org: OrgOnEmulator) -> SoapUpsertLookup:
        return SoapUpsertLookup(org.session, sobject=org.sobject, external_id_field=org.key_rule.field.name)

    def test_a_user_who_may_not_see_the_set_up_is_told_none(self, org: OrgOnEmulator) -> None:
        org.refuse_a_call()
        assert OrgRules(org.session).states("Lead") is None
