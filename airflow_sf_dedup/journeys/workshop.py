"""Puts the parts of a journey together, from ports and settings."""

from __future__ import annotations

from airflow_sf_dedup.core.decisions import Ask, SaveRow, SkipRow, UpdateMatch
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.entry_sink import EntrySink
from airflow_sf_dedup.journeys.lost_answers import LostAnswers
from airflow_sf_dedup.journeys.sending.next_step import Terms
from airflow_sf_dedup.journeys.sending.senders import Senders
from airflow_sf_dedup.journeys.settling.asking import Asks
from airflow_sf_dedup.journeys.settling.cases import Cases
from airflow_sf_dedup.journeys.settling.naming import Naming
from airflow_sf_dedup.journeys.settling.saving import SavesAnyway
from airflow_sf_dedup.journeys.settling.settlement import Settlement
from airflow_sf_dedup.journeys.settling.skipping import Skips
from airflow_sf_dedup.journeys.settling.updating import UpdatesMatch
from airflow_sf_dedup.journeys.settling.writing import Writer
from airflow_sf_dedup.locks.base import RecordClaims
from airflow_sf_dedup.policies.base import Policy
from airflow_sf_dedup.salesforce.ports import DuplicateLookup, RecordReader, UpsertApi


def settlement_of(
    *,
    load_id: str,
    org_id: str,
    sobject: SObject,
    key_rule: KeyRule,
    api: UpsertApi,
    lookup: DuplicateLookup,
    reader: RecordReader,
    claims: RecordClaims,
    sink: EntrySink,
    policy: Policy,
    entries: EntryMaker,
    lost_answers: LostAnswers,
    senders: Senders,
) -> Settlement:
    """What settles blocked rows of one load by one policy."""
    key_field, writer = key_rule.field.name, Writer(senders, lost_answers, entries)
    return Settlement(
        load_id=load_id,
        key_field=key_field,
        naming=Naming(lookup, Terms(key_field, api.repeatable), lost_answers, senders),
        cases=Cases(reader, sobject, key_rule),
        policy=policy,
        carries_out={
            SkipRow: Skips(entries),
            Ask: Asks(entries),
            UpdateMatch: UpdatesMatch(load_id, org_id, key_rule, api, claims, writer),
            SaveRow: SavesAnyway(key_field, api, writer),
        },
        entries=entries,
        sink=sink,
    )
