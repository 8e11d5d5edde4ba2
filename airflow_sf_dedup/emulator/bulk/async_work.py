"""How a batch of the first Bulk API is worked on while its caller does something else."""

from __future__ import annotations

import time

from airflow_sf_dedup.emulator.bulk.async_rows import read_drafts
from airflow_sf_dedup.emulator.bulk.csv_files import BatchRefused
from airflow_sf_dedup.emulator.bulk.saving import chunks, save_chunk
from airflow_sf_dedup.emulator.bulk.soql import find, read_query
from airflow_sf_dedup.emulator.bulk.work import guarded, milliseconds, stamp
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.results import Refused
from airflow_sf_dedup.emulator.state.bulk_jobs import RESULT_PREFIX, Batch, ClassicJob, Jobs
from airflow_sf_dedup.emulator.state.org import Org

_RUNNING = ("Queued", "InProgress")


def start_batch(org: Org, jobs: Jobs, job: ClassicJob, batch: Batch) -> None:
    """Processes a batch in the background; in a serial job after the one before it."""
    began = time.perf_counter()
    before = job.worker if job.concurrency == "Serial" else None

    def end(state: str, message: str | None = None) -> None:
        with job.lock:
            if batch.progress.state in _RUNNING:
                batch.timing.total = milliseconds(began)
                batch.message = message
                batch.modified = stamp(org)
                batch.progress.end(state, unseen=org.physics.bulk_unseen)

    def work() -> None:
        if before is not None:
            before.join()
        if not _begins(org, jobs, job, batch):
            return
        (_query if job.queries else _save)(org, jobs, job, batch)
        end("Completed")

    run = guarded(jobs, batch.call, work, lambda message: end("Failed", message))
    job.worker = jobs.start(run, f"bulk-{batch.batch_id}")


def _begins(org: Org, jobs: Jobs, job: ClassicJob, batch: Batch) -> bool:
    if jobs.stopped.wait(org.physics.bulk_queue):
        return False
    with job.lock:
        if batch.progress.state != "Queued":
            return False
        batch.progress.state = "InProgress"
    return True


def _save(org: Org, jobs: Jobs, job: ClassicJob, batch: Batch) -> None:
    load = job.load
    if load is None:
        return
    rows = read_drafts(org, load, batch.body, batch.content_type)
    for chunk in chunks(rows):
        began = time.perf_counter()
        if jobs.stopped.is_set():
            return
        results = save_chunk(org, load, [make() for make in chunk], job.user_id)
        batch.results += results
        batch.failed += sum(isinstance(each, Refused) for each in results)
        batch.timing.active += milliseconds(began)


def _query(org: Org, jobs: Jobs, job: ClassicJob, batch: Batch) -> None:
    try:
        query = read_query(batch.body.decode("utf-8", errors="replace").strip())
        if org.schema.find(str(query.sobject)) is not job.sobject:
            message = f"Query's object {query.sobject} does not match the job's object {job.sobject.name}"
            raise BatchRefused(message)
        batch.answer = find(org, query, deleted=job.operation == "queryAll")
    except ApiError as error:
        raise BatchRefused(f"Failed to process query: {error}") from None
    batch.result_id = jobs.new_id(RESULT_PREFIX)
