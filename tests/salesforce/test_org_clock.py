"""The org's own time."""

from datetime import UTC, datetime, timedelta

import pytest

from airflow_sf_dedup.salesforce.calling.org_clock import OrgClock
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_no_answer_no_time():
    assert OrgClock(lambda: 0.0).now() is None


def test_the_time_goes_on_from_the_newest_answer():
    ticks = iter([100.0, 130.0, 200.0, 201.5])
    clock = OrgClock(lambda: next(ticks))
    clock.note({"date": "Sun, 01 Mar 2026 12:00:00 GMT"})
    assert clock.now() == NOON + timedelta(seconds=30)
    clock.note({"date": "Sun, 01 Mar 2026 13:00:00 +0100"})
    assert clock.now() == NOON + timedelta(seconds=1.5)


@pytest.mark.parametrize("value", ["", "noon", "Sun, 99 Mar 2026 12:00:00 GMT"])
def test_a_date_that_cannot_be_read_leaves_the_time_as_it_was(value):
    clock = OrgClock(lambda: 0.0)
    clock.note({"date": value})
    assert clock.now() is None
    clock.note({"date": "Sun, 01 Mar 2026 12:00:00 -0000"})
    clock.note({"date": value})
    assert clock.now() == NOON


def test_a_session_takes_the_time_of_refusals_too(canned_org, reply):
    extra = {"access_token": "t", "instance_url": canned_org.url}
    session = SalesforceSession(from_parts("sf", "salesforce_dedup", None, None, None, extra), monotonic=lambda: 5.0)
    assert session.org_now() is None
    canned_org.answers(reply(404, "[]"))
    with pytest.raises(Exception, match="404"):
        session.rest("GET", "sobjects")
    moment = session.org_now()
    assert moment is not None
    assert moment.tzinfo is UTC
    assert moment.microsecond == 0
