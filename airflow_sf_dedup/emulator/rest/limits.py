"""``/limits``: how much of each allowance of the org is left."""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.emulator.http import Call, Response

#: Allowances of a Developer Edition org that nothing here draws on.
_UNTOUCHED = {
    "ActiveScratchOrgs": 3,
    "AnalyticsExternalDataSizeMB": 40960,
    "ConcurrentAsyncGetReportInstances": 200,
    "ConcurrentEinsteinDataInsightsStoryCreation": 5,
    "ConcurrentEinsteinDiscoveryStoryCreation": 2,
    "ConcurrentSyncReportRuns": 20,
    "DailyAnalyticsDataflowJobExecutions": 60,
    "DailyAnalyticsUploadedFilesSizeMB": 51200,
    "DailyAsyncApexExecutions": 250000,
    "DailyAsyncApexTests": 500,
    "DailyBulkV2QueryFileStorageMB": 976562,
    "DailyDeliveredPlatformEvents": 10000,
    "DailyDurableGenericStreamingApiEvents": 10000,
    "DailyDurableStreamingApiEvents": 10000,
    "DailyEinsteinDataInsightsStoryCreation": 1000,
    "DailyEinsteinDiscoveryPredictAPICalls": 50000,
    "DailyEinsteinDiscoveryPredictionsByCDC": 500000,
    "DailyEinsteinDiscoveryStoryCreation": 100,
    "DailyFunctionsApiCallLimit": 50000,
    "DailyGenericStreamingApiEvents": 10000,
    "DailyScratchOrgs": 6,
    "DailyStandardVolumePlatformEvents": 10000,
    "DailyStreamingApiEvents": 10000,
    "DailyWorkflowEmails": 1000,
    "DurableStreamingApiConcurrentClients": 20,
    "HourlyAsyncReportRuns": 1200,
    "HourlyDashboardRefreshes": 200,
    "HourlyDashboardResults": 5000,
    "HourlyDashboardStatuses": 999999999,
    "HourlyLongTermIdMapping": 100000,
    "HourlyManagedContentPublicRequests": 50000,
    "HourlyODataCallout": 1000,
    "HourlyPublishedPlatformEvents": 50000,
    "HourlyPublishedStandardVolumePlatformEvents": 1000,
    "HourlyShortTermIdMapping": 100000,
    "HourlySyncReportRuns": 500,
    "HourlyTimeBasedWorkflow": 50,
    "MassEmail": 10,
    "MonthlyEinsteinDiscoveryStoryCreation": 500,
    "Package2VersionCreates": 6,
    "Package2VersionCreatesWithoutValidation": 500,
    "PermissionSets": 1500,
    "PrivateConnectOutboundCalloutHourlyLimitMB": 0,
    "PublishCallbackUsageInApex": 1000,
    "SingleEmail": 15,
    "StreamingApiConcurrentClients": 20,
}
#: What is used up with each of these calls; a Bulk 2.0 upload becomes a batch inside.
_USED_BY_CALL = {
    "DailyBulkApiBatches": (15000, ("POST /async/job/{job}/batch", "PUT /jobs/ingest/{job}/batches")),
    "DailyBulkV2QueryJobs": (10000, ("POST /jobs/query",)),
}
_DATA_MB, _FILE_MB = 1073, 1073
#: Salesforce counts two kilobytes for a record of most sobjects.
_RECORDS_PER_MB = 512


def limits(call: Call) -> Response:
    accounting = call.org.accounting
    records = sum(len(table.records) for _, table in call.org.tables.items())
    body = {name: _allowance(most, most) for name, most in _UNTOUCHED.items()}
    for name, (most, calls) in _USED_BY_CALL.items():
        body[name] = _allowance(most, most - sum(accounting.by_call[each] for each in calls))
    body["DailyApiRequests"] = _allowance(accounting.daily_limit, accounting.daily_limit - accounting.api_calls)
    body["DataStorageMB"] = _allowance(_DATA_MB, _DATA_MB - records // _RECORDS_PER_MB)
    body["FileStorageMB"] = _allowance(_FILE_MB, _FILE_MB)
    return Response(200, dict(sorted(body.items())))


def record_count(call: Call) -> Response:
    """``/limits/recordCount?sObjects=Account,Contact``: how many there are; an unknown sObject is left out."""
    asked = [each.strip() for each in call.request.query.get("sObjects", "").split(",") if each.strip()]
    schema = call.org.schema
    wanted = [each for each in (schema.find(name) for name in asked) if each] if asked else list(schema)
    with call.org.lock:
        counted = [{"count": _live(call, each.name), "name": each.name} for each in wanted]
    return Response(200, {"sObjects": counted})


def _live(call: Call, sobject: str) -> int:
    return sum(1 for _ in call.org.table(sobject).all())


def _allowance(most: int, left: int) -> dict[str, Any]:
    return {"Max": most, "Remaining": max(left, 0)}
