"""Deployments and retrievals that have been asked for: what was wanted, how far they are, what came of them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from airflow_sf_dedup.emulator.records.store import make_id

_MOST_REMEMBERED = 100
PENDING, IN_PROGRESS, SUCCEEDED, FAILED, CANCELED = "Pending", "InProgress", "Succeeded", "Failed", "Canceled"
SUCCEEDED_PARTIAL = "SucceededPartial"


@dataclass(frozen=True, slots=True)
class DeployOptions:
    check_only: bool = False
    ignore_warnings: bool = False
    rollback_on_error: bool = True
    single_package: bool = False
    allow_missing_files: bool = False
    test_level: str | None = None


@dataclass(frozen=True, slots=True)
class DeployMessage:
    """What became of one component or file of a deployment."""

    file_name: str
    full_name: str
    kind: str = ""
    record_id: str | None = None
    created: bool = False
    changed: bool = False
    problem: str | None = None

    @property
    def success(self) -> bool:
        return self.problem is None


@dataclass(slots=True)
class Deployment:
    job_id: str
    user_id: str
    options: DeployOptions
    package: bytes
    created: datetime
    #: From when on it is in progress.
    starts: datetime
    completed: datetime | None = None
    status: str = PENDING
    messages: list[DeployMessage] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.completed is not None

    @property
    def succeeded(self) -> bool:
        return self.status in (SUCCEEDED, SUCCEEDED_PARTIAL)

    def status_at(self, now: datetime) -> str:
        return IN_PROGRESS if not self.done and now >= self.starts else self.status

    @property
    def components(self) -> list[DeployMessage]:
        """The messages about components, without those about the package's manifest."""
        return [each for each in self.messages if each.kind]

    @property
    def failures(self) -> list[DeployMessage]:
        return [each for each in self.messages if not each.success]


@dataclass(frozen=True, slots=True)
class RetrievedFile:
    file_name: str
    full_name: str
    kind: str
    record_id: str


@dataclass(slots=True)
class Retrieval:
    job_id: str
    user_id: str
    #: The components that are wanted, by type.
    wanted: dict[str, list[str]]
    single_package: bool
    version: str
    created: datetime
    done: bool = False
    package: bytes = b""
    files: list[RetrievedFile] = field(default_factory=list)
    #: File name and problem.
    problems: list[tuple[str, str]] = field(default_factory=list)


Job = TypeVar("Job", Deployment, Retrieval)


class MetadataJobs:
    def __init__(self) -> None:
        self._number = 0
        self._deployments: OrderedDict[str, Deployment] = OrderedDict()
        self._retrievals: OrderedDict[str, Retrieval] = OrderedDict()

    def new_id(self, prefix: str) -> str:
        self._number += 1
        return make_id(prefix, self._number)

    def add_deployment(self, job: Deployment) -> None:
        _remember(self._deployments, job)

    def add_retrieval(self, job: Retrieval) -> None:
        _remember(self._retrievals, job)

    def deployment(self, job_id: str | None) -> Deployment | None:
        return self._deployments.get(job_id or "")

    def retrieval(self, job_id: str | None) -> Retrieval | None:
        return self._retrievals.get(job_id or "")


def _remember(jobs: OrderedDict[str, Job], job: Job) -> None:
    jobs[job.job_id] = job
    while len(jobs) > _MOST_REMEMBERED:
        jobs.popitem(last=False)
