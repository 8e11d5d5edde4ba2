"""Which task instance is at work, as the audit and those who meet its claims know it."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_sf_dedup.journeys.entry_maker import TaskMark


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One try of one task instance."""

    dag_id: str
    run_id: str
    task_id: str
    #: -1 for a task that is not mapped.
    map_index: int = -1
    try_number: int = 1
    #: Counts the times a person cleared the run: each has the whole budget of calls.
    round_number: int = 0

    def __str__(self) -> str:
        """For people: the Dag, the task, its map index, the run and the try."""
        mapped = f"[{self.map_index}]" if self.map_index >= 0 else ""
        return f"{self.dag_id}.{self.task_id}{mapped}, run {self.run_id}, try {self.try_number}"

    def mark(self, partition: int) -> TaskMark:
        """What an entry says of it."""
        return TaskMark(partition=partition, map_index=self.map_index, try_number=self.try_number)
