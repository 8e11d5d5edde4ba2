"""Who has to approve a record, step by step, and how far has each record come?"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError, OrgFileError
from airflow_sf_dedup.emulator.records.schema import Schema
from airflow_sf_dedup.emulator.records.store import make_id

_PROCESS, _INSTANCE, _WORKITEM = "04a", "04g", "04i"
_SETTINGS = ("sobject", "label", "approvers")
_IN_PROCESS = "This record is currently in an approval process. A record can be in only one approval process at a time."


@dataclass(frozen=True, slots=True)
class ApprovalProcess:
    record_id: str
    name: str
    label: str
    sobject: str
    #: The ids of the users who approve, one after another.
    approvers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Instance:
    """One record on its way through a process."""

    instance_id: str
    process: ApprovalProcess
    record_id: str
    status: str = "Pending"
    #: Which of the approvers is asked, counted from 0.
    step: int = 0
    workitem_id: str | None = None

    @property
    def approver_id(self) -> str:
        return self.process.approvers[self.step]


@dataclass(slots=True)
class Instances:
    """By instance id; a change puts a new value in the place of the old one."""

    found: dict[str, Instance] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def submit(self, process: ApprovalProcess, record_id: str) -> Instance:
        """:raises ApiError: ALREADY_IN_PROCESS."""
        if any(each.record_id == record_id and each.status == "Pending" for each in self.found.values()):
            raise ApiError("ALREADY_IN_PROCESS", _IN_PROCESS)
        instance = Instance(make_id(_INSTANCE, next(self._numbers)), process, record_id, workitem_id=self._workitem())
        return self._put(instance)

    def decide(self, workitem_id: str, *, approved: bool) -> Instance:
        """:raises ApiError: nobody is asked by a work item of that id."""
        instance = next((each for each in self.found.values() if each.workitem_id == workitem_id), None)
        if instance is None:
            raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if not approved:
            return self._put(replace(instance, status="Rejected", workitem_id=None))
        if instance.step + 1 == len(instance.process.approvers):
            return self._put(replace(instance, status="Approved", workitem_id=None))
        return self._put(replace(instance, step=instance.step + 1, workitem_id=self._workitem()))

    def _put(self, instance: Instance) -> Instance:
        self.found[instance.instance_id] = instance
        return instance

    def _workitem(self) -> str:
        return make_id(_WORKITEM, next(self._numbers))


def read_approval_processes(
    settings: Mapping[str, Any], schema: Schema, user_ids: Mapping[str, str]
) -> tuple[ApprovalProcess, ...]:
    """:param user_ids: by username.
    :raises OrgFileError: naming the setting.
    """
    return tuple(
        _read(name, found, number, schema, user_ids) for number, (name, found) in enumerate(settings.items(), start=1)
    )


def _read(name: str, found: Any, number: int, schema: Schema, user_ids: Mapping[str, str]) -> ApprovalProcess:
    setting = f"approval_processes.{name}"
    if not isinstance(found, Mapping):
        raise OrgFileError(setting, "should be a mapping")
    for each in found:
        if each not in _SETTINGS:
            raise OrgFileError(f"{setting}.{each}", f"no such setting; there are: {', '.join(_SETTINGS)}")
    sobject = schema.find(str(found.get("sobject")))
    if sobject is None:
        raise OrgFileError(f"{setting}.sobject", f"no sobject {found.get('sobject')!r}")
    approvers = found.get("approvers")
    if not isinstance(approvers, list) or not approvers:
        raise OrgFileError(f"{setting}.approvers", "should list one user for each step")
    unknown = [each for each in approvers if each not in user_ids]
    if unknown:
        raise OrgFileError(f"{setting}.approvers", f"no user {unknown[0]!r}")
    return ApprovalProcess(
        record_id=make_id(_PROCESS, number),
        name=name,
        label=str(found.get("label", name.replace("_", " "))),
        sobject=sobject.name,
        approvers=tuple(user_ids[each] for each in approvers),
    )
