"""Every call the org answers, by the name under which it is counted, and which of them can change records."""

from __future__ import annotations

from dataclasses import dataclass

TOKEN = "POST /services/oauth2/token"  # noqa: S105
SOAP_LOGIN = "SOAP login"
COMPOSITE = "POST /composite"
BATCH = "POST /composite/batch"

LOGINS = frozenset({TOKEN, SOAP_LOGIN})

#: Whether these change records depends on what they carry.
CARRIERS = frozenset({COMPOSITE, BATCH})

COLLECTIONS = frozenset(
    {
        "POST /composite/sobjects",
        "PATCH /composite/sobjects",
        "DELETE /composite/sobjects",
        "PATCH /composite/sobjects/{sobject}/{field}",
    }
)

SOAP_WRITES = frozenset(
    {
        "SOAP create",
        "SOAP update",
        "SOAP upsert",
        "SOAP merge",
        "SOAP delete",
        "SOAP undelete",
        "SOAP emptyRecycleBin",
        "SOAP convertLead",
    }
)

#: The calls on whose behalf the rows of a bulk job are written.
BULK_WRITES = frozenset(
    {
        "POST /jobs/ingest",
        "PATCH /jobs/ingest/{job}",
        "POST /async/job/{job}/batch",
    }
)

BULK_OTHERS = frozenset(
    {
        "GET /jobs/ingest",
        "GET /jobs/ingest/{job}",
        "DELETE /jobs/ingest/{job}",
        "PUT /jobs/ingest/{job}/batches",
        "GET /jobs/ingest/{job}/successfulResults",
        "GET /jobs/ingest/{job}/failedResults",
        "GET /jobs/ingest/{job}/unprocessedrecords",
        "POST /jobs/query",
        "GET /jobs/query",
        "GET /jobs/query/{job}",
        "PATCH /jobs/query/{job}",
        "DELETE /jobs/query/{job}",
        "GET /jobs/query/{job}/results",
        "POST /async/job",
        "GET /async/job/{job}",
        "POST /async/job/{job}",
        "GET /async/job/{job}/batch",
        "GET /async/job/{job}/batch/{batch}",
        "GET /async/job/{job}/batch/{batch}/request",
        "GET /async/job/{job}/batch/{batch}/result",
        "GET /async/job/{job}/batch/{batch}/result/{result}",
    }
)

WRITES = (
    COLLECTIONS
    | SOAP_WRITES
    | BULK_WRITES
    | {
        "POST /sobjects/{sobject}",
        "PATCH /sobjects/{sobject}/{id}",
        "DELETE /sobjects/{sobject}/{id}",
        "POST /sobjects/{sobject}/Id",
        "PATCH /sobjects/{sobject}/{field}/{value}",
        "DELETE /sobjects/{sobject}/{field}/{value}",
    }
)

READS = BULK_OTHERS | frozenset(
    {
        "GET /",
        "GET /limits",
        "GET /limits/recordCount",
        "GET /composite",
        "GET /query",
        "GET /queryAll",
        "GET /query/{locator}",
        "GET /queryAll/{locator}",
        "GET /sobjects",
        "GET /sobjects/{sobject}",
        "GET /sobjects/{sobject}/describe",
        "GET /sobjects/{sobject}/{id}",
        "GET /sobjects/{sobject}/{field}/{value}",
        "POST /composite/sobjects/{sobject}",
        "GET /composite/sobjects/{sobject}",
        "GET /ui-api/duplicates/{sobject}",
        "POST /ui-api/predupe",
        "SOAP findDuplicates",
        "SOAP findDuplicatesByIds",
        "SOAP describeGlobal",
        "SOAP invalidateSessions",
        "SOAP query",
        "SOAP queryAll",
        "SOAP queryMore",
        "SOAP retrieve",
        "SOAP describeSObject",
        "SOAP describeSObjects",
        "SOAP getUserInfo",
        "SOAP getServerTimestamp",
        "SOAP logout",
    }
)

#: They change rules, not records.
METADATA = frozenset(
    {
        "Metadata describeMetadata",
        "Metadata listMetadata",
        "Metadata readMetadata",
        "Metadata updateMetadata",
        "Metadata upsertMetadata",
        "Metadata deploy",
        "Metadata checkDeployStatus",
        "Metadata cancelDeploy",
        "Metadata retrieve",
        "Metadata checkRetrieveStatus",
        "POST /metadata/deployRequest",
        "GET /metadata/deployRequest/{id}",
        "PATCH /metadata/deployRequest/{id}",
    }
)

NAMES = LOGINS | CARRIERS | WRITES | READS | METADATA
#: A call that the org does not know, or that is not counted and none of the above.
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which call a request is."""

    #: As the accounting has it: ``POST /composite``, ``SOAP upsert``; ``other`` for what it does not count.
    name: str
    #: ``login``, ``write`` or ``read``.
    group: str
    #: The access token that the call carries.
    token: str | None = None
    soap: bool = False

    @classmethod
    def of(cls, name: str, token: str | None = None, *, soap: bool = False) -> Identity:
        """A call whose name says what it does."""
        if name in LOGINS:
            return cls(name, "login", soap=soap)
        return cls(name, "write" if name in WRITES else "read", token, soap)
