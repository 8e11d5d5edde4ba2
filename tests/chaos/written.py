"""Which fields of its row does a line of the ledger write? By the mode and the rules of the load, and by its policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_sf_dedup.policies import read_policy
from airflow_sf_dedup.policies.base import every_policy
from airflow_sf_dedup.policies.update_existing import UpdateExisting
from tests.chaos.scenario import LoadPlan

if TYPE_CHECKING:
    from tests.chaos.checks import Evidence, Line
    from tests.chaos.expected import Sent

_BLANK = (None, "")


def left_out(evidence: Evidence, plan: LoadPlan, line: Line, sent: Sent) -> set[str]:
    """The fields of the row that the line must not write."""
    key_name = evidence.scenario.key_field.name
    fields = {name: value for name, value in sent.values.items() if name != key_name}
    if line.verb == "created":
        return {name for name in fields if rule_for(plan, name) == "never"}
    state = evidence.states_before[line.seq]
    if state.get(key_name):
        return {name for name, value in fields.items() if keeps(rule_for(plan, name), value, state.get(name))}
    words = _words(plan.policy)
    newer = isinstance(sent.order, str) and sent.order[:19] > str(state.get("LastModifiedDate"))[:19]
    return {
        name
        for name, value in fields.items()
        if rule_for(plan, name) == "never" or not _overwrites(words, name, value, state.get(name), newer=newer)
    }


def rule_for(plan: LoadPlan, name: str) -> str:
    """The rule of the load for a field."""
    return plan.field_rules.get(name, plan.field_rules.get("*", "always"))


def keeps(rule: str, value: Any, stored: Any) -> bool:
    """Whether a record that holds the row's key keeps what it has."""
    if rule == "only_blanks":
        return value in _BLANK or stored not in _BLANK
    return rule in ("on_create_only", "never")


def _words(policy: str) -> Mapping[str, str]:
    """Of the one ``update_existing``."""
    for each in every_policy(read_policy(policy)):
        if isinstance(each, UpdateExisting):
            given = each.overwrites.as_given()
            return given if isinstance(given, Mapping) else {"*": str(given)}
    return {}


def _overwrites(words: Mapping[str, str], name: str, value: Any, stored: Any, *, newer: bool) -> bool:
    word = words.get(name, words.get("*", "all"))
    if word in ("all", "write"):
        return True
    if word == "newest":
        return newer
    if word == "longest" and isinstance(value, str) and isinstance(stored, str):
        return len(value) > len(stored)
    return word != "keep" and value not in _BLANK and stored in _BLANK


def modes_hold(evidence: Evidence) -> Iterator[str]:
    """A load that only updates creates nothing, and one that only creates writes to nothing that there is."""
    wrong = {"update_only": "created", "create_only": "updated"}
    for line in evidence.lines:
        if line.marker in evidence.sent_rows:
            name = evidence.sent_rows[line.marker][0]
            mode = evidence.loads[name].plan.mode
            if line.verb == wrong.get(mode):
                yield f"{name} is {mode}, and line {line.seq} {line.verb} {line.record_id}"
