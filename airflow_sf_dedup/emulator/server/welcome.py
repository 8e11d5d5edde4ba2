"""What does a person need to know who has just started the emulator?"""

from __future__ import annotations

from pathlib import Path

from airflow_sf_dedup.emulator.records.looking import OF_THE_ORG
from airflow_sf_dedup.emulator.server.running import EmulatedOrg
from airflow_sf_dedup.emulator.state.org import Org


def welcome(emulator: EmulatedOrg, org_file: Path | None) -> str:
    org = emulator.state
    certificate = [f"  Certificate   {emulator.ca_file}"] if emulator.ca_file else []
    return "\n".join(
        [
            f"{org.definition.org_name} answers at {emulator.url}  (a page for your browser: {emulator.url}/_emulator)",
            f"  Org file      {org_file or 'the bundled one (--print-org shows it)'}",
            f"  Records       {held(org) or 'none; --seed Lead=leads.csv puts some'}",
            f"  Access token  {emulator.access_token}",
            *certificate,
            "  Airflow       export AIRFLOW_CONN_SALESFORCE_DEFAULT='" + emulator.airflow_connection + "'",
        ]
    )


def summary(org: Org, org_file: Path | None) -> str:
    """What an org file that can be used says, in a line."""
    definition = org.definition
    own = sum(1 for each in org.schema if each.name not in OF_THE_ORG)
    parts = [
        f"{own} sobjects",
        f"{len(definition.duplicate_rules)} duplicate rules",
        f"{len(definition.users)} users",
        f"records: {held(org) or 'none'}",
    ]
    return f"{org_file or 'the bundled org'} can be used: {', '.join(parts)}"


def held(org: Org) -> str:
    """``Account 12, Lead 1,200``: the live records that the org did not make of itself."""
    counts = {each.name: len(org.records(each.name)) for each in org.schema if each.name not in OF_THE_ORG}
    return ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
