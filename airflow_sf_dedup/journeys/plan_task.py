"""What a plan task does: begin as a load does, look at the rows instead of sending them, and say what it saw."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from airflow_sf_dedup.audit.base import Load, LoadKind, Totals
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.entries import NOT_IN_SAMPLE, Action
from airflow_sf_dedup.core.numeric_settings import SAMPLE
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.setting_values import check_choice
from airflow_sf_dedup.errors import CallError, LoginRefusedError
from airflow_sf_dedup.journeys.beginning import Beginning
from airflow_sf_dedup.journeys.limits import CallLimits
from airflow_sf_dedup.journeys.load_settings import LoadSettings
from airflow_sf_dedup.journeys.partition_task import metered, workshop_of
from airflow_sf_dedup.journeys.planning.cost import check_budget
from airflow_sf_dedup.journeys.planning.plan import plan_of, rows_of_waves
from airflow_sf_dedup.journeys.policy_targets import check_other_fields
from airflow_sf_dedup.journeys.prediction import predict_calls, reads_of, shares_of
from airflow_sf_dedup.journeys.stores import Stores
from airflow_sf_dedup.policies import read_policy
from airflow_sf_dedup.policies.base import needs_rule_states, other_sobjects
from airflow_sf_dedup.salesforce.reader import describe
from airflow_sf_dedup.salesforce.write_paths import LOOKUP_PATHS
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.staging.by_reference import read_manifest, read_partition
from airflow_sf_dedup.staging.descriptions import Descriptions

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """How a plan is made, beside what it has in common with its load.

    :ivar load: of the load; its look-up is the plan's.
    :ivar limits: of the plan's own calls.
    :ivar sample: rows to look at; ``None``: all.
    """

    load: LoadSettings
    limits: CallLimits = CallLimits()  # noqa: RUF009 - a frozen value
    sample: int | None = None

    def __post_init__(self) -> None:
        """:raises SettingError: ``sample`` is no number that it may be, or the look-up writes."""
        object.__setattr__(self, "sample", SAMPLE.read(self.sample))
        readers = tuple(name for name, path in LOOKUP_PATHS.items() if not path.writes)
        check_choice("lookup", self.load.write.lookup, readers)


def make_plan(
    source: Any, settings: PlanSettings, plan_id: str, beginning: Beginning, stores: Callable[[], Stores]
) -> Load:
    """Plan a load; answers the plan as the audit has it. Nothing of it stays staged.

    :raises SettingError: a setting, the source, the org or the budget does not fit.
    :raises CallError: the org did not answer; the plan is not whole, and no load can be given it.
    """
    # The plan is one task's: all of its rows are in one partition.
    load = replace(settings.load, partitions=1, kind=LoadKind.PLAN)
    rows_together: list[int] = []
    try:
        for ref in beginning.begin(source, load, plan_id):
            rows_together += _plan_partition(ref, settings, beginning, stores())
    except CallError as error:
        if not isinstance(error, LoginRefusedError):
            error.in_own_words()
        raise
    finally:
        with suppress(Exception):
            beginning.staging.remove(plan_id)
    return _ended(settings, plan_id, rows_together, stores())


def _plan_partition(ref: PartitionRef, settings: PlanSettings, beginning: Beginning, stores: Stores) -> list[int]:
    """Plan the rows; answers how many each wave has, those that are not looked at among them."""
    write, lookup = settings.load.write, LOOKUP_PATHS[settings.load.write.lookup]
    all_together = rows_of_waves(read_partition(ref), ref.rows, None)
    sample = settings.sample
    together = all_together if sample is None else rows_of_waves(read_partition(ref), ref.rows, sample)
    calls = check_budget(
        together,
        lookup,
        before=beginning.session.api_calls,
        budget=settings.limits.api_budget,
        asks_rule_states=needs_rule_states(read_policy(write.on_duplicate)),
    )
    _log.info(
        "the plan looks at %s of %s rows; up to %s API calls", f"{sum(together):,}", f"{ref.rows:,}", f"{calls:,}"
    )
    session, daily_calls = metered(
        beginning.session, settings.limits, stores.audit, ref.load_id, beginning.task.round_number
    )
    staged = read_manifest(ref)
    described = Descriptions(StagingArea.of(ref).folder(ref.load_id), partial(describe, session))
    workshop = workshop_of(ref, staged, write, session=session, stores=stores, task=beginning.task, describe=described)
    journey = plan_of(workshop, sample=settings.sample)
    check_other_fields(workshop.policy, staged.described, ref.external_id_field, described)
    stores.audit.update_load(ref.load_id, policy=repr(workshop.policy), api=write.api)
    daily_calls.ask_from_now_on()
    journey.run(read_partition(ref))
    return all_together


def _ended(settings: PlanSettings, plan_id: str, rows_together: Sequence[int], stores: Stores) -> Load:
    """The plan is whole: what its load would cost is told by what the plan found.

    :param rows_together: rows of each wave.
    """
    totals = stores.audit.totals(plan_id)
    calls = _calls_of_load(totals, rows_together, settings, before=1)
    stores.audit.update_load(plan_id, ended_at=utc_now(), predicted_calls=calls)
    plan = stores.audit.load(plan_id)
    assert plan is not None  # noqa: S101 - it was updated a moment ago
    return plan


def _calls_of_load(totals: Totals, rows_together: Sequence[int], settings: PlanSettings, *, before: int) -> int:
    """What the load would cost, in as many partitions as it is to have, each wave of which goes by itself."""
    # The look-up of the load is the usual one: the plan's own writes nothing.
    write = replace(settings.load.write, lookup="soap_upsert")
    left = totals.rows_because(NOT_IN_SAMPLE)
    shares = shares_of(replace(totals, actions={**totals.actions, Action.NOT_SENT: 0}) if left else totals)
    return predict_calls(
        [part for rows in rows_together for part in _parts(rows, settings.load.partitions)],
        blocked_share=shares.blocked if shares else 0.0,
        settled_share=shares.settled if shares else None,
        before=before,
        other_sobjects=len(other_sobjects(read_policy(write.on_duplicate))),
        lookup=write.lookup_path,
        reads=reads_of(write),
    ).calls


def _parts(rows: int, partitions: int) -> Sequence[int]:
    """Rows of each partition, as even as keys are spread."""
    return [rows // partitions + (each < rows % partitions) for each in range(partitions)]
