"""What Airflow is told about this provider. Only facts; standard library only."""

from __future__ import annotations

from typing import Any

_INTEGRATION = "Salesforce (duplicates handled)"


def get_provider_info() -> dict[str, Any]:
    """The provider's entry for Airflow's provider manager."""
    return {
        "package-name": "airflow-provider-sf-dedup",
        "name": "Salesforce Dedup",
        "description": (
            "Load records into Salesforce by external ID: no lost row, no doubled record, every blocked row "
            "traced to the records that blocked it."
        ),
        "integrations": [
            {
                "integration-name": _INTEGRATION,
                "external-doc-url": "https://developer.salesforce.com/docs/apis",
                "tags": ["service"],
            }
        ],
        "operators": [
            {
                "integration-name": _INTEGRATION,
                "python-modules": [
                    "airflow_sf_dedup.operators.partition",
                    "airflow_sf_dedup.operators.upsert",
                    "airflow_sf_dedup.operators.duplicate_audit",
                    "airflow_sf_dedup.operators.rule_report",
                    "airflow_sf_dedup.operators.mirror",
                    "airflow_sf_dedup.operators.duplicate_rules",
                    "airflow_sf_dedup.operators.find_duplicates",
                    "airflow_sf_dedup.operators.record_sets",
                    "airflow_sf_dedup.operators.revert",
                    "airflow_sf_dedup.operators.plan",
                ],
            }
        ],
        "hooks": [{"integration-name": _INTEGRATION, "python-modules": ["airflow_sf_dedup.hooks.salesforce"]}],
        "connection-types": [_connection_type()],
        "config": {"sf_dedup": _config()},
    }


def _connection_type() -> dict[str, Any]:
    # Only a type of our own: a provider that registers "salesforce" again replaces Airflow's hook everywhere.
    return {
        "connection-type": "salesforce_dedup",
        "hook-class-name": "airflow_sf_dedup.hooks.salesforce.SalesforceDedupHook",
        "hook-name": "Salesforce (duplicates handled)",
        "ui-field-behaviour": {
            # The port is shown because Airflow's Test button refuses a connection that has none: docs/connections.md.
            "hidden-fields": ["schema"],
            "relabeling": {"host": "My Domain URL", "login": "Username", "port": "Port (443, for the Test button)"},
            "placeholders": {"host": "https://acme.my.salesforce.com", "login": "loader@acme.com", "port": "443"},
        },
        "conn-fields": {
            "consumer_key": _field("Consumer key", "Of the connected app; for JWT and client credentials."),
            "consumer_secret": _field("Consumer secret", "For client credentials.", format="password"),
            "private_key": _field("Private key", "PEM text of an RSA key, for JWT.", format="multiline"),
            "private_key_file_path": _field("Private key file", "On the workers; instead of the private key."),
            "security_token": _field("Security token", "For a login with user name and password.", format="password"),
            "organization_id": _field(
                "Organization id", "For a login with user name and password from a trusted address."
            ),
            "domain": _field(
                "Login domain", "login, test (sandboxes), or a My Domain such as acme.my; else the host's."
            ),
            "access_token": _field("Access token", "Used as it is; needs the host.", format="password"),
            "instance_url": _field("Instance URL", "Where the API answers, if that is not the host."),
            "expected_org_id": _field("Expected org id", "Any other org is refused before a row is sent."),
            "api_version": _field("API version", "52.0 or newer; 62.0 when empty."),
            "connect_timeout": _seconds("Connect timeout", "Seconds; 10 when empty."),
            "read_timeout": _seconds("Read timeout", "Seconds without an answer; 120 when empty."),
            "proxies": _field(
                "Proxies",
                'A URL, or JSON such as {"https": "http://proxy:3128"}.',
                format="password",
            ),
            "ca_bundle": _field("CA bundle", "A file on the workers with the certificates to trust."),
            "client_id": _field("Client name", "How this client is called in Salesforce's logs."),
            "loopback_org": _field("Loopback org", "For tests: a local address that stands in for salesforce.com."),
        },
    }


def _config() -> dict[str, Any]:
    return {
        "description": "Loading records into Salesforce with duplicates handled.",
        "options": {
            "audit_path": _option(
                "The embedded audit database (an SQLite file), for tasks without ``audit_conn_id``.",
                kind="string",
                example="/var/lib/airflow/sf_dedup/audit.db",
            ),
            "staging_path": _option(
                "Where partitions are staged; an address that every worker can reach.",
                kind="string",
                example="s3://conn_id@bucket/sf_dedup/",
            ),
            "work_path": _option(
                "A folder of each worker, for rows that are sorted before they are staged at a URL; by default "
                "``sf_dedup/staging`` below Airflow's own folder. It needs room for two copies of a source.",
                kind="string",
                example="/var/lib/airflow/sf_dedup/work",
            ),
            "staging_retention_days": _option(
                "Days after which staged partitions are removed, settled or not; a whole number from 1 on.",
                kind="integer",
                default="7",
            ),
            "claim_lifetime": _option(
                "Seconds for which a key stays claimed by a task that died, or whose call got no answer. Salesforce "
                "ends a call after ten minutes; a shorter time lets two calls of one key meet. From 1 to 604800.",
                kind="float",
                default="720",
            ),
        },
    }


def _field(label: str, description: str, **schema: str) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"], **schema}}


def _seconds(label: str, description: str) -> dict[str, Any]:
    schema = {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 3600}
    return {"label": label, "description": description, "schema": schema}


def _option(description: str, *, kind: str, default: str | None = None, example: str | None = None) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": kind,
        "example": example,
        "default": default,
    }
