"""Which records of an sobject were changed, or deleted, in a span of time?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.records.values import format_datetime, read_datetime
from airflow_sf_dedup.emulator.state.org import Org

_WITHOUT_ZONE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?")
_LONGEST = timedelta(days=30)
#: How long a record stays in the recycle bin.
_KEPT = timedelta(days=15)


@dataclass(frozen=True, slots=True)
class Span:
    """Both ends to the minute, and included; as records keep their moments."""

    start: str
    end: str

    def holds(self, moment: str) -> bool:
        return self.start <= f"{moment[:16]}:00.000+0000" <= self.end


@dataclass(frozen=True, slots=True)
class Deleted:
    record_id: str
    at: str


def read_span(org: Org, start: str, end: str) -> Span:
    """:raises ApiError: INVALID_REPLICATION_DATE, the ends make no span that can be asked for."""
    try:
        first, last = (_moment(each) for each in (start, end))
    except ValueError:
        raise ApiError("INVALID_REPLICATION_DATE", f"malformed date {start} or {end}") from None
    if last - first < timedelta(minutes=1):
        raise ApiError("INVALID_REPLICATION_DATE", "endDate must be at least one minute greater than startDate")
    if org.clock() - first > _LONGEST + timedelta(minutes=1):
        raise ApiError("INVALID_REPLICATION_DATE", "startDate cannot be more than 30 days ago")
    return Span(format_datetime(first), format_datetime(last))


def _moment(text: str) -> datetime:
    """To the minute: seconds are not looked at."""
    moment = datetime.strptime(read_datetime(with_zone(text)), "%Y-%m-%dT%H:%M:%S.%f%z")
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def with_zone(text: str) -> str:
    """A moment of XML without a time zone is one in UTC."""
    return f"{text.strip()}Z" if _WITHOUT_ZONE.fullmatch(text.strip()) else text


def updated(org: Org, sobject: Sobject, span: Span) -> list[str]:
    with org.lock:
        records = org.table(sobject.name).all()
        return [each["Id"] for each in records if span.holds(each["SystemModstamp"])]


def deleted(org: Org, sobject: Sobject, span: Span) -> list[Deleted]:
    with org.lock:
        records = org.table(sobject.name).all(deleted=True)
        return [
            Deleted(each["Id"], each["SystemModstamp"])
            for each in records
            if each["IsDeleted"] and span.holds(each["SystemModstamp"])
        ]


def latest_covered(org: Org, span: Span) -> str:
    return min(span.end, format_datetime(org.clock().replace(second=0, microsecond=0)))


def earliest_available(org: Org) -> str:
    return format_datetime((org.clock() - _KEPT).replace(second=0, microsecond=0))
