"""How a bulk job is worked on while its caller does something else."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from airflow_sf_dedup.emulator.bulk.csv_files import DELIMITERS, BatchRefused, read_csv
from airflow_sf_dedup.emulator.bulk.rows import Columns
from airflow_sf_dedup.emulator.bulk.saving import check_names, chunks, save_chunk
from airflow_sf_dedup.emulator.state.bulk_jobs import ENDED, IngestJob, Job, Jobs
from airflow_sf_dedup.emulator.state.in_progress import InProgress, answering, current
from airflow_sf_dedup.emulator.state.org import Org

_LOG = logging.getLogger(__name__)
_OWN_MISTAKE = "InternalServerError : An unexpected error occurred"


def stamp(org: Org) -> str:
    """Now, in whole seconds as jobs have it."""
    return f"{org.now()[:19]}.000+0000"


def this_call(org: Org) -> InProgress:
    """The call in progress, for what is done on its behalf later."""
    call = current()
    return call if call.generation is not None else replace(call, generation=org.generation)


def guarded(
    jobs: Jobs, call: InProgress, work: Callable[[], None], failed: Callable[[str], None]
) -> Callable[[], None]:
    """``work`` on behalf of a call; what a reset breaks off ends without a word.

    :param failed: is told what went wrong.
    """

    def run() -> None:
        try:
            with answering(call):
                work()
        except BatchRefused as refusal:
            failed(str(refusal))
        except Exception:
            if jobs.stopped.is_set():
                return
            _LOG.exception("a bulk job")
            failed(_OWN_MISTAKE)

    return run


def start_ingest(org: Org, jobs: Jobs, job: IngestJob) -> None:
    """Processes the upload in the background, for the call in progress."""
    job.modified = stamp(org)
    job.progress.queue("UploadComplete")
    start(org, jobs, job, lambda: _ingest(org, jobs, job))


def start(org: Org, jobs: Jobs, job: Job, work: Callable[[], None]) -> None:
    """Works on a job in the background, for the call in progress, once it has been in the queue for its time."""
    began = time.perf_counter()

    def end(state: str, error: str | None = None) -> None:
        with job.lock:
            if job.progress.state not in ENDED:
                job.timing.total = milliseconds(began)
                job.error = error
                job.modified = stamp(org)
                job.progress.end(state, unseen=org.physics.bulk_unseen)

    def run() -> None:
        if _waited_in_queue(org, jobs, job):
            work()
            end("JobComplete")

    jobs.start(guarded(jobs, this_call(org), run, lambda error: end("Failed", error)), f"bulk-{job.job_id}")


def _waited_in_queue(org: Org, jobs: Jobs, job: Job) -> bool:
    """Whether the job is still to be processed after its time in the queue."""
    if jobs.stopped.wait(org.physics.bulk_queue):
        return False
    with job.lock:
        if job.progress.state in ENDED:
            return False
        job.progress.state = "InProgress"
    return True


def _ingest(org: Org, jobs: Jobs, job: IngestJob) -> None:
    job.header, job.rows = read_csv(
        job.upload or b"",
        delimiter=DELIMITERS[job.delimiter],
        line_ending=job.line_ending,
        check_quoted=org.quirks.bulk_quoted_line_endings_checked,
    )
    job.upload = None
    if not job.header:
        return
    check_names(job.load, job.header)
    columns = Columns(org.schema, job.load.sobject, job.header)
    for rows in chunks(job.rows):
        began = time.perf_counter()
        drafts = [columns.draft(row) for row in rows]
        with job.lock:
            if jobs.stopped.is_set() or job.progress.state in ENDED:
                return
            job.take(save_chunk(org, job.load, drafts, job.user_id))
        job.timing.active += milliseconds(began)


def milliseconds(since: float) -> int:
    return round((time.perf_counter() - since) * 1000)
