"""May a partition reference be believed?

It travels in an XCom, which more people may write than may write to the org. The load's row in the audit and what
is kept beside the staged rows say the same; what a reference says otherwise was not said by its partition task.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.errors import SettingError, StagingError
from airflow_sf_dedup.staging.staged_load import StagedLoad

#: Salesforce does not tell API names apart by case.
API_NAMES = frozenset({"sobject", "external_id_field"})

_AGAIN = "run the partition task again, and hand its references on as they are"


def same(name: str, one: object, other: object) -> bool:
    """Whether two values of a member of a reference mean the same."""
    return one == other or (name in API_NAMES and str(one).lower() == str(other).lower())


def check_load(ref: PartitionRef, load: Load | None, *, dag_id: str, run_id: str) -> Load:
    """The load of a reference, when the audit says the same of it.

    :param load: what the audit has under the reference's ``load_id``.
    :param dag_id: the Dag of the task that was given the reference; ``run_id`` likewise. A load is its own run's.
    :raises SettingError: names the member that differs.
    """
    if load is None:
        raise _untrue(
            f"the audit does not know its load {ref.load_id!r}: it was purged, or audit_conn_id leads to another audit"
        )
    if (load.dag_id, load.run_id) != (dag_id, run_id):
        raise _untrue(
            f"its load {ref.load_id!r} belongs to run {load.run_id!r} of Dag {load.dag_id!r}, not to this run; give "
            "this Dag the source itself"
        )
    said = {
        "org_id": load.org_id,
        "sobject": load.sobject,
        "external_id_field": load.external_id_field,
        # A load of an earlier release does not say all of them.
        **{name: load.settings[name] for name in ("salesforce_conn_id", "audit_conn_id") if name in load.settings},
    }
    for name, value in said.items():
        if not same(name, getattr(ref, name), value):
            raise _untrue(f"its {name} is {getattr(ref, name)!r}, that of load {load.load_id!r} is {value!r}")
    return load


def check_staged(ref: PartitionRef, *, path: str, kept: Iterable[PartitionRef]) -> None:
    """Compare a reference with what the partition task kept beside the staged rows.

    :param path: where the load's own staging folder has the partition.
    :param kept: the references to all partitions of the load.
    :raises SettingError: names the member that differs.
    """
    if ref.path != path:
        raise _untrue("its path is not where its load was staged")
    own = next((each for each in kept if each.partition == ref.partition), None)
    if own is None:
        raise _untrue(f"its load {ref.load_id!r} has no partition {ref.partition}")
    for member in fields(PartitionRef):
        if getattr(ref, member.name) != getattr(own, member.name):
            raise _untrue(f"its {member.name} is not the one that was staged")


def check_manifest(ref: PartitionRef, staged: StagedLoad) -> StagedLoad:
    """The manifest, when it is that of the reference's load.

    :raises StagingError: it is another load's.
    """
    for name, value in (
        ("load_id", staged.load_id),
        ("sobject", staged.sobject.name),
        ("external_id_field", staged.external_id_field),
    ):
        if getattr(ref, name) != value:
            raise StagingError(
                f"the manifest beside partition {ref.partition} of load {ref.load_id} is not what was staged: its "
                f"{name} is {value!r}. Clear the partition task, so that the source is read and staged again."
            )
    return staged


def _untrue(what: str) -> SettingError:
    return SettingError(f"partition: the reference is not the one that was made: {what}; {_AGAIN}", setting="partition")
