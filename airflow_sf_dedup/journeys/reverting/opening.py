"""Puts the revert of one load together, from stores and a session."""

from __future__ import annotations

from functools import cache, partial
from hashlib import blake2b

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.journeys.reverting.claiming import RevertClaims
from airflow_sf_dedup.journeys.reverting.deleting import Deletes, Wish
from airflow_sf_dedup.journeys.reverting.ledger import Ledger
from airflow_sf_dedup.journeys.reverting.revert import Revert
from airflow_sf_dedup.journeys.sending.senders import Senders
from airflow_sf_dedup.journeys.stores import Stores
from airflow_sf_dedup.journeys.task_run import TaskRun
from airflow_sf_dedup.locks.base import Claimant
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.children import OrgChildren
from airflow_sf_dedup.salesforce.collections import CollectionsApi
from airflow_sf_dedup.salesforce.collections_deletes import CollectionsDeletes
from airflow_sf_dedup.salesforce.ports import ChunkApi, RecordReader
from airflow_sf_dedup.salesforce.reader import OrgReader, describe

#: Records are known by their ids.
_BY_ID = KeyRule(Field("Id", "Id", "id"))


def revert_of(
    load: Load,
    stores: Stores,
    session: SalesforceSession,
    task: TaskRun,
    *,
    clear_opt_outs: bool = False,
    wish: Wish = Wish(),  # noqa: B008
) -> Revert:
    """What reverts a load. Its calls are made under claims that hold.

    :param wish: what is to go into the recycle bin.
    """
    revert_id = revert_id_of(task, load)
    claimant = Claimant(revert_id, revert_id, str(task))
    claims = RevertClaims(load, claimant, stores.record_claims, stores.key_claims)
    gated = session.gated(claims.keep)
    ledger = Ledger(load, stores.changes, claims)
    senders = Senders(now=lambda: session.org_now() or utc_now())
    described = cache(partial(describe, gated))
    deletes = Deletes(
        wish,
        ledger,
        described,
        lambda sobject: OrgReader(gated, sobject=sobject, key_rule=_BY_ID),
        CollectionsDeletes(gated),
        lambda: session.user_id,
        OrgChildren(gated).parents_among,
        senders,
    )
    return Revert(
        ledger,
        describe=described,
        open_sobject=partial(_open, gated),
        senders=senders,
        deletes=deletes,
        clear_opt_outs=clear_opt_outs,
    )


def revert_id_of(task: TaskRun, load: Load) -> str:
    """The same for each try of a task: 32 hexadecimal digits."""
    names = "\n".join((task.dag_id, task.run_id, task.task_id, str(task.map_index), load.load_id))
    return blake2b(names.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _open(session: SalesforceSession, sobject: SObject) -> tuple[ChunkApi, RecordReader]:
    api = CollectionsApi(session, sobject=sobject.name, external_id_field="Id", key_prefix=sobject.key_prefix)
    return api, OrgReader(session, sobject=sobject, key_rule=_BY_ID)
