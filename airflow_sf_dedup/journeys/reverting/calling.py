"""Send what a revert writes, and keep in mind which records a call may still be about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.reverting.fields import ChangedField
from airflow_sf_dedup.journeys.sending.by_calls import CarriesChunks
from airflow_sf_dedup.journeys.sending.next_step import Terms
from airflow_sf_dedup.journeys.sending.senders import Room, Senders
from airflow_sf_dedup.journeys.sending.under_way import Answered, under_way


@dataclass(frozen=True, slots=True)
class Item:
    """A record that is written, or deleted."""

    record_id: str
    fields: tuple[ChangedField, ...]
    #: What it gets.
    values: Mapping[str, Any] = field(default_factory=dict)

    def as_record(self) -> Record:
        """By which a sender knows how much it is."""
        return Record(0, "", self.values, "")


def send(
    items: Sequence[Item],
    senders: Senders,
    call: CarriesChunks[Item],
    room: Room,
    told: Callable[[Sequence[Answered[Item]]], None],
    in_doubt: set[str],
) -> None:
    """Send items by their ids.

    :param told: takes what became of each call's; it takes those that are not in doubt any more out of ``in_doubt``.
    :param in_doubt: records of which a call may be under way, or may have been when an error is raised.
    :raises CallError: a call failed for good.
    """
    sender = senders.by_calls(call, Terms(external_id_field=None), room, Item.as_record)
    in_doubt.update(item.record_id for item in items)
    try:
        for batch in sender.send(under_way(items)):
            told(batch)
    except CallError:
        in_doubt.difference_update(each.row.record_id for each in sender.left() if not each.in_doubt)
        raise
    finally:
        sender.close()
