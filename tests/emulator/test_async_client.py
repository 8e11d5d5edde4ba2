"""aio-sf, an asynchronous client that other people wrote, works with the org unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from aio_sf import ClientCredentialsAuth, SalesforceAuthError, SalesforceClient, StaticTokenAuth

from airflow_sf_dedup.emulator import EmulatedOrg


def run(org: EmulatedOrg, work: Callable[[SalesforceClient], Awaitable[Any]], *, secret: str | None = None) -> Any:
    """What ``work`` returns; with a secret, the client gets its own token by client credentials."""

    async def connected() -> Any:
        if secret is None:
            way = StaticTokenAuth(org.url, org.access_token)
        else:
            way = ClientCredentialsAuth(org.url, "emulator-client", secret)
        async with SalesforceClient(way) as client:
            return await work(client)

    return asyncio.run(connected())


def leads(*keys: str) -> list[dict[str, Any]]:
    return [{"External_Id__c": key, "LastName": f"N{key}", "Company": "Acme"} for key in keys]


def test_it_logs_in_by_client_credentials(org: EmulatedOrg) -> None:
    names = run(org, lambda client: client.describe.list_sobjects(), secret="emulator-secret")
    assert {"Lead", "Invoice__c"} <= {each["name"] for each in names}
    with pytest.raises(SalesforceAuthError):
        run(org, lambda client: client.describe.list_sobjects(), secret="wrong")


def test_it_describes_an_sobject_and_the_org(org: EmulatedOrg) -> None:
    described = run(org, lambda client: client.describe.sobject("Lead"))
    assert next(each for each in described["fields"] if each["name"] == "External_Id__c")["externalId"] is True
    limits = run(org, lambda client: client.describe.get_limits())
    assert limits["DailyApiRequests"]["Max"] == 100_000
    assert run(org, lambda client: client.describe.get_organization_info())["Name"] == "Emulated Org"


def test_batches_at_the_same_time_keep_their_order(org: EmulatedOrg) -> None:
    keys = [f"A-{number}" for number in range(450)]
    created = run(
        org, lambda client: client.collections.upsert(leads(*keys), "External_Id__c", "Lead", all_or_none=False)
    )
    assert [each["created"] for each in created] == [True] * 450
    again = run(
        org, lambda client: client.collections.upsert(leads(*keys), "External_Id__c", "Lead", all_or_none=False)
    )
    assert [(each["id"], each["created"]) for each in again] == [(each["id"], False) for each in created]
    assert [org.record(each["id"])["External_Id__c"] for each in created] == keys


def test_a_refused_row_is_refused_and_can_be_tried_again(org: EmulatedOrg) -> None:
    org.seed("Lead", [{"LastName": "Doe", "Company": "Acme", "Email": "jane@example.com"}])
    rows = [*leads("B-1"), {**leads("B-2")[0], "Email": "jane@example.com"}, {"External_Id__c": "B-3"}]
    refused = run(
        org, lambda client: client.collections.upsert(rows, "External_Id__c", "Lead", all_or_none=False, max_attempts=2)
    )
    assert [each["success"] for each in refused] == [True, False, False]
    codes = [error["statusCode"] for each in refused for error in each["errors"]]
    assert codes == ["DUPLICATES_DETECTED", "REQUIRED_FIELD_MISSING"]
    assert [each["External_Id__c"] for each in org.records("Lead") if "External_Id__c" in each] == ["B-1"]


def test_all_or_none_saves_none(org: EmulatedOrg) -> None:
    rows = [{"LastName": "A", "Company": "A"}, {"LastName": "B"}]
    results = run(org, lambda client: client.collections.insert(rows, "Lead", all_or_none=True))
    assert [each["success"] for each in results] == [False, False]
    assert org.records("Lead") == []


def test_it_pages_through_a_query(org: EmulatedOrg) -> None:
    org.seed("Lead", [{"LastName": f"N{number}", "Company": "Acme"} for number in range(2300)])

    async def all_names(client: SalesforceClient) -> list[str]:
        result = await client.query.soql("SELECT Id, LastName FROM Lead ORDER BY LastName")
        return [each["LastName"] async for each in result]

    assert run(org, all_names) == sorted(f"N{number}" for number in range(2300))


def test_it_sees_deleted_records_when_it_asks_for_them(org: EmulatedOrg) -> None:
    ids = org.seed("Lead", leads("C-1", "C-2"))

    async def delete_one(client: SalesforceClient) -> tuple[int, int]:
        await client.collections.delete(ids[:1])
        live = await client.query.soql("SELECT Id FROM Lead")
        known = await client.query.soql("SELECT Id FROM Lead", include_deleted=True)
        return live.total_size, known.total_size

    assert run(org, delete_one) == (1, 2)


def test_it_reads_by_bulk(org: EmulatedOrg) -> None:
    org.seed("Lead", leads(*(f"D-{number}" for number in range(30))))

    async def exported(client: SalesforceClient) -> list[str]:
        job = await client.bulk_v2.create_job("SELECT External_Id__c FROM Lead ORDER BY External_Id__c")
        await client.bulk_v2.wait_for_job_completion(job["id"], poll_interval=0, timeout=30)
        pages, locator = [], None
        while not pages or locator:
            page, locator = await client.bulk_v2.get_job_results(job["id"], locator, max_records=20)
            pages += page.splitlines()[1:]
        return pages

    assert run(org, exported) == [f'"D-{number}"' for number in sorted(range(30), key=str)]


def test_a_query_that_cannot_be_is_an_error(org: EmulatedOrg) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        run(org, lambda client: client.query.soql("SELECT Nothing__c FROM Lead"))
