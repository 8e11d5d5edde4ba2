"""Which bulk jobs has the org, and how far is each? State only; no wire format is known here."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.records.store import make_id
from airflow_sf_dedup.emulator.results import Refused, RowResult
from airflow_sf_dedup.emulator.state.in_progress import InProgress

JOB_PREFIX = "750"
BATCH_PREFIX = "751"
RESULT_PREFIX = "752"

#: A job is closed in these; nothing of it is processed any more.
ENDED = frozenset({"JobComplete", "Failed", "Aborted"})


class Progress:
    """The state of one job or batch.

    What is done still says that it runs until somebody has asked once, so that a client which asks only once
    cannot take that for the end.
    """

    def __init__(self, state: str) -> None:
        self.state = state
        self._shown_at: float | None = None
        self._seen = False

    def shown(self) -> str:
        hidden = self._shown_at is not None and not self._seen and time.monotonic() < self._shown_at
        return "InProgress" if hidden else self.state

    def look(self) -> str:
        """What somebody who asks is told."""
        shown = self.shown()
        self._seen = True
        return shown

    def end(self, state: str, *, unseen: float = 0.0) -> None:
        """:param unseen: seconds for which nobody learns of it who has not asked before."""
        self.state = state
        self._shown_at = time.monotonic() + unseen

    def queue(self, state: str) -> None:
        self.state = state
        self._seen = False

    def stop(self, state: str) -> None:
        """At once, because a caller says so."""
        self.state = state
        self._seen = True


@dataclass(slots=True)
class Timing:
    """In whole milliseconds."""

    total: int = 0
    active: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """What an ingest job does with its rows."""

    sobject: Sobject
    #: ``insert``, ``update``, ``upsert``, ``delete`` or ``hardDelete``.
    operation: str
    #: The field that an upsert goes by.
    key: Field | None = None
    assignment_rule_id: str | None = None
    #: Save what alert rules match.
    allow_save: bool = False


@dataclass(slots=True, eq=False)
class Job:
    job_id: str
    user_id: str
    #: API version in which it was created.
    version: float
    #: ``2026-01-31T12:00:00.000+0000``.
    created: str
    modified: str
    progress: Progress
    #: ``Parallel`` or ``Serial``.
    concurrency: str = "Parallel"
    delimiter: str = "COMMA"
    line_ending: str = "LF"
    error: str | None = None
    timing: Timing = field(default_factory=Timing)
    #: Held while rows are processed, so that an abort falls between two chunks.
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(slots=True, eq=False, kw_only=True)
class IngestJob(Job):
    load: Load
    #: As long as it has not been taken apart; one that cannot be is given back as it came.
    upload: bytes | None = None
    #: There was a second upload, for which the job cannot be closed.
    several_uploads: bool = False
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    #: Of the first rows, in the order of the upload.
    results: list[RowResult] = field(default_factory=list)
    failed: int = 0

    def take(self, results: list[RowResult]) -> None:
        self.results += results
        self.failed += sum(isinstance(each, Refused) for each in results)


@dataclass(slots=True, eq=False, kw_only=True)
class QueryJob(Job):
    #: ``query`` or ``queryAll``.
    operation: str
    sobject: str
    soql: str
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Batch:
    """One batch of a job of the first Bulk API."""

    batch_id: str
    created: str
    modified: str
    #: As it was uploaded.
    body: bytes
    content_type: str
    #: The call that brought it.
    call: InProgress
    progress: Progress
    message: str | None = None
    results: list[RowResult] = field(default_factory=list)
    failed: int = 0
    timing: Timing = field(default_factory=Timing)
    #: The answer of a query, under the id of its only result.
    result_id: str | None = None
    answer: Any = None

    @property
    def processed(self) -> int:
        return len(self.answer.rows) if self.answer is not None else len(self.results)


@dataclass(slots=True, eq=False, kw_only=True)
class ClassicJob(Job):
    """A job of the first Bulk API; its progress is Open, Closed, Aborted or Failed."""

    operation: str
    sobject: Sobject
    #: ``CSV``, ``JSON`` or ``XML``.
    content_type: str
    load: Load | None = None
    batches: dict[str, Batch] = field(default_factory=dict)
    worker: threading.Thread | None = None

    @property
    def queries(self) -> bool:
        return self.load is None


Kind = TypeVar("Kind", bound=Job)


class Jobs:
    """The jobs of an org between two resets, oldest first, and the threads that work on them."""

    def __init__(self) -> None:
        #: Set when the org is reset or its server stops; whoever works on a job ends then.
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._numbers = itertools.count(1)
        self._threads: list[threading.Thread] = []

    def new_id(self, prefix: str) -> str:
        with self._lock:
            return make_id(prefix, next(self._numbers))

    def add(self, job: Job) -> None:
        with self._lock:
            self._jobs[job.job_id] = job

    def find(self, job_id: str, kind: type[Kind]) -> Kind | None:
        """A job by its id of 15 or 18 characters."""
        with self._lock:
            found = self._jobs.get(job_id) or next(
                (job for name, job in self._jobs.items() if len(job_id) == 15 and name.startswith(job_id)), None
            )
        return found if isinstance(found, kind) else None

    def forget(self, job: Job) -> None:
        with self._lock:
            self._jobs.pop(job.job_id, None)

    def __iter__(self) -> Iterator[Job]:
        with self._lock:
            return iter(list(self._jobs.values()))

    def stop(self) -> None:
        self.stopped.set()

    def start(self, work: Callable[[], None], name: str) -> threading.Thread:
        """Does work in a thread that keeps nobody waiting."""
        thread = threading.Thread(target=work, name=name, daemon=True)
        with self._lock:
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
            thread.start()
        return thread

    def idle(self, timeout: float) -> bool:
        """Whether nobody works on a job any more, waiting for that at most ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in threads)
