"""A morning load: leads of which the org already holds some without our key."""

from __future__ import annotations

import random
from typing import Any

import requests

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def leads(count: int) -> list[dict[str, Any]]:
    """Source rows that no rule takes for each other: their names share nothing."""
    letters = random.Random(7)

    def word() -> str:
        return "".join(letters.choices(_LETTERS, k=12)).capitalize()

    return [
        {
            "External_Id__c": f"CRM-{number:05d}",
            "FirstName": word(),
            "LastName": word(),
            "Company": word(),
            "Email": f"person{number}@example{number}.com",
        }
        for number in range(1, count + 1)
    ]


def known_to_the_org(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The first rows as the org holds them: without the key."""
    return [{name: value for name, value in row.items() if name != "External_Id__c"} for row in rows[:count]]


def seed(url: str, sobject: str, records: list[dict[str, Any]]) -> list[str]:
    """Put records into an emulated org, past its duplicate rules."""
    response = requests.post(f"{url}/_emulator/records/{sobject}", json=records, timeout=60)
    response.raise_for_status()
    ids: list[str] = response.json()
    return ids


def records(url: str, sobject: str) -> list[dict[str, Any]]:
    """The live records of an emulated org."""
    found: list[dict[str, Any]] = requests.get(f"{url}/_emulator/records/{sobject}", timeout=60).json()
    return found


def stats(url: str) -> dict[str, Any]:
    """What an emulated org counted."""
    counted: dict[str, Any] = requests.get(f"{url}/_emulator/stats", timeout=60).json()
    return counted


def calls(url: str) -> list[dict[str, Any]]:
    """The last calls that reached an emulated org."""
    found: list[dict[str, Any]] = requests.get(f"{url}/_emulator/calls", timeout=60).json()
    return found
