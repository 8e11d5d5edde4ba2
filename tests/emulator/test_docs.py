"""What can be set, said or asked is explained, and what is explained can be set."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_sf_dedup.emulator import EmulatedOrg, Org
from airflow_sf_dedup.emulator.__main__ import _parser
from airflow_sf_dedup.emulator.definition.fields import _KINDS, _WORDS
from airflow_sf_dedup.emulator.definition.org_file import _SETTINGS, Client, User
from airflow_sf_dedup.emulator.definition.physics import Physics
from airflow_sf_dedup.emulator.definition.quirks import _CHOICES, Quirks
from airflow_sf_dedup.emulator.definition.rules import _MATCHING, _RULE
from airflow_sf_dedup.emulator.definition.sobjects import _SETTINGS as SOBJECT_SETTINGS
from airflow_sf_dedup.emulator.faults.kinds import KINDS
from airflow_sf_dedup.emulator.records.matching import METHODS
from airflow_sf_dedup.emulator.server.control import CONTROLS

DOCS = Path(__file__).parents[2] / "docs"
EMULATOR = (DOCS / "emulator.md").read_text(encoding="utf-8")
TESTING = (DOCS / "testing.md").read_text(encoding="utf-8")


def words(text: str) -> set[str]:
    """Whatever is in code, alone and as the name before a parenthesis: ``text(80)`` is ``text`` too."""
    code = re.findall(r"`([^`\n]+)`", text)
    return {*code, *(re.split(r"[( ]", each)[0] for each in code), *(each.split(" ")[0] for each in code)}


EXPLAINED = {
    "quirks": ([each.name for each in fields(Quirks)], EMULATOR),
    "choices of quirks": ([choice for choices in _CHOICES.values() for choice in choices], EMULATOR),
    "settings of an org file": (_SETTINGS, EMULATOR),
    "settings of an sobject": (SOBJECT_SETTINGS, EMULATOR),
    "settings of a user": ([each.name for each in fields(User) if each.name != "user_id"], EMULATOR),
    "settings of a client": ([each.name for each in fields(Client)], EMULATOR),
    "settings of a rule": (_RULE, EMULATOR),
    "settings of a matching rule": (_MATCHING, EMULATOR),
    "methods": (METHODS, EMULATOR),
    "types of fields": (_KINDS, EMULATOR),
    "words of fields": (_WORDS, EMULATOR),
    "endpoints": ([f"{each.method} /_emulator/{each.path}".rstrip("/") for each in CONTROLS], EMULATOR),
    "options": ([each for action in _parser()._actions for each in action.option_strings if each[2:]], EMULATOR),
    "physics": ([each.name for each in fields(Physics)], TESTING),
    "kinds of faults": (KINDS, TESTING),
}


@pytest.mark.parametrize("what", EXPLAINED)
def test_everything_is_explained(what: str) -> None:
    names, text = EXPLAINED[what]
    known = words(text) | {"-h", "--help"}
    assert [name for name in names if name not in known] == []


def test_no_quirk_or_option_is_explained_that_there_is_not() -> None:
    table = EMULATOR.split("### Quirks", 1)[1].split("## ", 1)[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.M)) == {each.name for each in fields(Quirks)}
    options = {each for action in _parser()._actions for each in action.option_strings}
    assert set(re.findall(r"^\| `(--[\w-]+)` \|", EMULATOR, re.M)) <= options


def test_the_defaults_of_quirks_are_as_explained() -> None:
    table = EMULATOR.split("### Quirks", 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\| `(\w+)` \| (?:`([^`]+)`|([^`:|]+)).*? \|", table, re.M)
    assert len(rows) == len(fields(Quirks))
    for name, quoted, bare in rows:
        value = getattr(Quirks(), name)
        assert (quoted or bare.strip()) == (str(value).lower() if isinstance(value, bool) else str(value))


def test_the_org_files_of_the_page_can_be_used() -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", EMULATOR, re.M | re.S)
    assert len(blocks) == 1
    org = Org.read(yaml.safe_load(blocks[0]))
    assert [each["Name"] for each in org.records("Member__c")] == ["Ada Nowak"]
    assert "Standard_Lead_Duplicate_Rule" not in {rule.name for rule in org.definition.duplicate_rules}
    assert {"Lead_Email", "Member_Email"} <= {rule.name for rule in org.definition.duplicate_rules}


def test_the_commands_of_the_page_are_commands() -> None:
    commands = re.findall(r"^\$ python -m airflow_sf_dedup\.emulator(.*)$", EMULATOR + TESTING, re.M)
    assert commands
    for each in commands:
        _parser().parse_args(shlex.split(each))


def test_the_fixture_has_what_the_page_says(org: EmulatedOrg) -> None:
    table = EMULATOR.split("| `salesforce_org.` |", 1)[1].split("\n\n", 1)[0]
    names: list[Any] = re.findall(
        r"`(\w+)(?:\([^`]*\))?`", "\n".join(row.split("|")[1] for row in table.splitlines()[2:])
    )
    assert len(names) > 15
    assert [name for name in names if not hasattr(org, name)] == []
