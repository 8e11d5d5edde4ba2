"""The reference that an upsert task is given, compared with all that is known of its load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.errors import SettingError, StagingError
from airflow_sf_dedup.operators.literal_settings import is_spelt_out
from airflow_sf_dedup.operators.partition import SalesforcePartitionOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sf_dedup.audit.base import Audit, Load

_AGAIN = "Clear the partition task, so that the source is read and staged again."


def read_reference(document: Any, *, given: Mapping[str, Any], task: Any, context: Context) -> PartitionRef:
    """The reference, when it is the one that its partition task made in this run.

    :param given: parameters of the task that repeat what the reference says; ``None`` where they are left out.
    :param task: the operator; partition tasks before it say which audit it is.
    :raises SettingError: it is no reference, or says other than the parameters, the audit or the staging folder.
    """
    from airflow_sf_dedup.hooks.stores import open_audit
    from airflow_sf_dedup.journeys.references import check_load

    ref = PartitionRef.from_json(document)
    refuse_mismatch(ref, given)
    _refuse_other_audit(ref, task)
    audit, ti = open_audit(ref.audit_conn_id), context["ti"]
    load = check_load(ref, audit.load(ref.load_id), dag_id=ti.dag_id, run_id=ti.run_id)
    _compare_with_staging(ref, load, audit)
    return ref


def refuse_mismatch(ref: PartitionRef, given: Mapping[str, Any]) -> None:
    """Parameters that repeat what the reference says must say the same.

    :raises SettingError: one of them does not.
    """
    from airflow_sf_dedup.journeys.references import same

    for name, value in given.items():
        staged = getattr(ref, name)
        if value is not None and not same(name, value, staged):
            raise SettingError(
                f"{name}={value!r}, but the partition was staged with {staged!r}; leave it out here",
                setting=name,
            )


def _refuse_other_audit(ref: PartitionRef, task: Any) -> None:
    """Which audit to ask must not be left to the reference alone: another one may say whatever is wanted.

    Where the partition tasks before this one spell their ``audit_conn_id`` out, it is one of theirs.
    """
    known = [_setting(each, "audit_conn_id") for each in _partition_tasks_before(task)]
    if not known or not all(conn_id is None or is_spelt_out(conn_id) for conn_id in known):
        return
    if ref.audit_conn_id not in known:
        raise SettingError(
            f"partition: the reference's audit_conn_id is {ref.audit_conn_id!r}, the partition task's is {known[0]!r}; "
            "run the partition task again, and hand its references on as they are",
            setting="partition",
        )


def _partition_tasks_before(task: Any) -> Iterable[Any]:
    if not task.has_dag():
        return []
    return [each for each in task.get_flat_relatives(upstream=True) if _is_partition_task(each)]


def _is_partition_task(task: Any) -> bool:
    kind = getattr(task, "operator_class", type(task))
    return isinstance(kind, type) and issubclass(kind, SalesforcePartitionOperator)


def _setting(task: Any, name: str) -> Any:
    """A parameter of a plain or mapped task."""
    partial = getattr(task, "partial_kwargs", None)
    return getattr(task, name, None) if partial is None else partial.get(name)


def _compare_with_staging(ref: PartitionRef, load: Load, audit: Audit) -> None:
    """Where nothing is staged any more nothing can be sent either, and the audit has the last word."""
    import msgspec

    from airflow_sf_dedup.hooks.places import staging_area
    from airflow_sf_dedup.journeys.partition_task import nothing_left
    from airflow_sf_dedup.journeys.references import check_staged

    area = staging_area(load.settings.get("staging_path"))
    try:
        kept = area.read_refs(load.load_id)
    except (msgspec.MsgspecError, SettingError) as error:
        raise StagingError(
            f"what is staged of load {load.load_id} cannot be read ({type(error).__name__}). {_AGAIN}"
        ) from None
    if kept:
        check_staged(ref, path=area.partition_path(ref.load_id, ref.partition), kept=kept)
    elif not nothing_left(audit, ref):
        raise StagingError(f"load {load.load_id} is not staged any more, or not where this worker looks. {_AGAIN}")
