"""Why is a row not in the org? What its entry says is held against the ledger and the records, row by row.

Every excuse is as narrow as its reason: a duplicate rule excuses the row that it refused and no other of its key, and a
newer state excuses an older row only once it was saved.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from airflow_sf_dedup.core.entries import UNSETTLED, Action, Entry
from airflow_sf_dedup.core.write_modes import KEY_EXISTS
from airflow_sf_dedup.journeys.collect import BEHIND_A_FAILED_ROW
from airflow_sf_dedup.journeys.kin_waits import TWIN_NOT_SETTLED
from airflow_sf_dedup.journeys.parents import PARENT_NOT_SAVED
from tests.chaos.written import keeps, rule_for

if TYPE_CHECKING:
    from tests.chaos.checks import Evidence, Line, LoadEvidence
    from tests.chaos.expected import Sent

#: Why an entry says that a newer state of the key is in the org.
STALE = frozenset({"stale", "stale_in_doubt"})

#: The number of a row in a message.
_ROW = re.compile(r"\d+")

#: A later row of a key waits behind these.
_AWAITS_A_PERSON = frozenset({Action.AWAITING_REVIEW, Action.HELD})


def account_for(evidence: Evidence, load: LoadEvidence, entry: Entry) -> str | None:
    """In a few words why a row is not in the org that should have been sent; ``None``: its entry does not tell so."""
    sent = evidence.expected[load.plan.name].sent.get(entry.row_number)
    explain = _EXPLAINED.get(entry.action)
    return None if sent is None or explain is None else explain(evidence, load, entry, sent)


def newer_line(evidence: Evidence, entry: Entry, sent: Sent) -> Line | None:
    """A newer state of the key, saved before the entry was made."""
    found = evidence.states_by_key.get(evidence.fold(sent.key), [])
    newer = (line for order, line in found if sent.order is not None and order > sent.order)
    return next((line for line in newer if line.at <= entry.at), None)


def _skipped(evidence: Evidence, load: LoadEvidence, entry: Entry, sent: Sent) -> str | None:
    if entry.reason == KEY_EXISTS:
        is_so = load.plan.mode == "create_only" and _was_held(evidence, load, entry, sent)
        return "its key was held, and its load only creates" if is_so else None
    if entry.reason not in STALE:
        return _by_rule(evidence, load, entry, sent)
    if newer_line(evidence, entry, sent):
        return "older than a state that was saved"
    return "older than a state that the org had" if _newer_unchanged(evidence, entry, sent) else None


def _newer_unchanged(evidence: Evidence, entry: Entry, sent: Sent) -> bool:
    """A newer row of the key had nothing left to write."""
    return any(
        other.action is Action.UNCHANGED and other.at <= entry.at and of.order > sent.order
        for name, each in evidence.loads.items()
        for other in each.entries
        if (of := evidence.expected[name].sent.get(other.row_number)) and of.order is not None
        if sent.order is not None and evidence.fold(of.key) == evidence.fold(sent.key)
    )


def _was_held(evidence: Evidence, load: LoadEvidence, entry: Entry, sent: Sent) -> bool:
    """A record held the key when the entry was made, before or by another row."""
    lines = evidence.by_key(line for line in evidence.lines if line.saved).get(evidence.fold(sent.key), [])
    marker = load.plan.marker(entry.row_number)
    return _held_before(evidence, sent) or any(line.at <= entry.at and line.marker != marker for line in lines)


def _held_before(evidence: Evidence, sent: Sent) -> bool:
    held = (each.get(evidence.scenario.key_field.name) for each in evidence.scenario.held_before)
    return any(evidence.fold(key) == evidence.fold(sent.key) for key in held if key)


def _not_found(evidence: Evidence, load: LoadEvidence, entry: Entry, sent: Sent) -> str | None:
    is_so = load.plan.mode == "update_only" and not _held_before(evidence, sent)
    return "nobody held its key, and its load only updates" if is_so else None


def _unchanged(evidence: Evidence, load: LoadEvidence, entry: Entry, sent: Sent) -> str | None:
    is_so = _all_kept(evidence, load, entry, sent) and _was_held(evidence, load, entry, sent)
    return "the rules of its load leave nothing of it to write" if is_so else None


def _all_kept(evidence: Evidence, load: LoadEvidence, entry: Entry, sent: Sent) -> bool:
    """Each field is kept back by a rule: by ``only_blanks``, where the record has a value, or the row none."""
    record, key_name = evidence.records.get(entry.record_id or "", {}), evidence.scenario.key_field.name
    fields = {name: value for name, value in sent.values.items() if name != key_name}
    return all(keeps(rule_for(load.plan, name), value, record.get(name)) for name, value in fields.items())


def told_by_a_re_read(evidence: Evidence, load: LoadEvidence, entry: Entry, sent: Sent) -> str | None:
    """Why a row is called saved that no line saved: an earlier try may have sent it, and nothing is left to write."""
    is_so = entry.reason == "answer_lost" and _was_held(evidence, load, entry, sent)
    if is_so and evidence.disturbed and _all_kept(evidence, load, entry, sent):
        return "told by a re-read, since nothing was left to write"
    return None


def _by_rule(evidence: Evidence, load: LoadEvidence, entry: Entry, sent: Sent) -> str | None:
    """The row itself met a duplicate rule, or a key that several records hold, or one in the recycle bin."""
    refused = evidence.refused_lines.get(load.plan.marker(entry.row_number), [])
    if any(line.error == "DUPLICATES_DETECTED" for line in refused):
        return "refused by a duplicate rule, and decided about"
    if any(line.error == "DUPLICATE_VALUE" for line in refused) and evidence.in_bin_before(sent.key):
        return "refused by a key that is held in the recycle bin, and decided about"
    is_held = entry.error_code == "DUPLICATE_EXTERNAL_ID" and _holders(evidence, sent) > 1
    return "decided about by a key that several records hold" if is_held else None


def _held(evidence: Evidence, load: LoadEvidence, entry: Entry, sent: Sent) -> str | None:
    behind = _earlier(evidence, load, sent, _AWAITS_A_PERSON)
    return "held behind a row that awaits a person" if behind else None


def _not_sent(evidence: Evidence, load: LoadEvidence, entry: Entry, sent: Sent) -> str | None:
    if entry.reason == BEHIND_A_FAILED_ROW:
        return "not sent behind a row that failed" if _earlier(evidence, load, sent, UNSETTLED) else None
    if entry.reason in (PARENT_NOT_SAVED, TWIN_NOT_SETTLED):
        return _behind_unknown_kin(evidence, load, entry)
    return _behind_an_unknown_row(evidence, load, sent)


def _failed(evidence: Evidence, load: LoadEvidence, entry: Entry, sent: Sent) -> str | None:
    if evidence.refused_lines.get(load.plan.marker(entry.row_number)):
        return "refused by the org"
    return "failed by a key that several records hold" if _holders(evidence, sent) > 1 else None


def _unknown(evidence: Evidence, load: LoadEvidence, entry: Entry, sent: Sent) -> str | None:
    if _is_among_strangers(evidence, entry, sent):
        return "unknown among the records of a stranger, who are named"
    if _was_written_over(evidence, load, entry, sent):
        return "refused after a call without an answer, while another row wrote the record of its key"
    return _behind_an_unknown_row(evidence, load, sent)


def _is_among_strangers(evidence: Evidence, entry: Entry, sent: Sent) -> bool:
    """Several records hold its key, a stranger wrote one of them, and the entry names those that may be the row's."""
    if entry.action is not Action.UNKNOWN or not entry.matches:
        return False
    return _holders(evidence, sent) > 1 and _strangers_wrote(evidence, sent)


def _was_written_over(evidence: Evidence, load: LoadEvidence, entry: Entry, sent: Sent) -> bool:
    """Nobody can tell whether a record that another row of ours wrote meanwhile was this row's before."""
    marker = load.plan.marker(entry.row_number)
    lines = evidence.by_key(line for line in evidence.lines if line.saved).get(evidence.fold(sent.key), [])
    written = any(line.marker != marker and evidence.is_ours(line) for line in lines)
    is_in_doubt = evidence.disturbed and entry.error_code == "NO_ANSWER"
    was_refused = bool(evidence.refused_lines.get(marker)) or entry.reason == KEY_EXISTS
    return written and is_in_doubt and was_refused


def _behind_unknown_kin(evidence: Evidence, load: LoadEvidence, entry: Entry) -> str | None:
    """The row that its entry names, its parent or a suspected twin, stays unknown, or waits for one that does."""
    named = int(_ROW.findall(entry.error_message or "0")[0])
    other = next((each for each in load.entries if each.row_number == named), None)
    if other is None or other.action not in (Action.UNKNOWN, Action.NOT_SENT):
        return None
    return "put off behind its kin" if account_for(evidence, load, other) else None


def _behind_an_unknown_row(evidence: Evidence, load: LoadEvidence, sent: Sent) -> str | None:
    """It was put off, or never came to its re-read, since another load's row of its key stays unknown."""
    others = (
        (other, evidence.expected[name].sent.get(other.row_number))
        for name, each in evidence.loads.items()
        for other in each.entries
        if each is not load
    )
    unknown = any(
        of is not None and evidence.fold(of.key) == evidence.fold(sent.key) and _is_among_strangers(evidence, other, of)
        for other, of in others
    )
    return "put off behind a row that is unknown among the records of a stranger" if unknown else None


def _earlier(evidence: Evidence, load: LoadEvidence, sent: Sent, actions: frozenset[Action]) -> bool:
    """Whether an earlier row of the key in the same load ended so."""
    actions_of = {entry.row_number: entry.action for entry in load.entries}
    return any(
        other.place < sent.place and actions_of.get(number) in actions
        for number, other in evidence.expected[load.plan.name].sent.items()
        if evidence.fold(other.key) == evidence.fold(sent.key)
    )


def _holders(evidence: Evidence, sent: Sent) -> int:
    name = evidence.scenario.key_field.name
    keys = (str(record.get(name) or "") for record in evidence.records.values())
    return sum(evidence.fold(key) == evidence.fold(sent.key) for key in keys)


def _strangers_wrote(evidence: Evidence, sent: Sent) -> bool:
    lines = evidence.by_key(line for line in evidence.lines if line.saved).get(evidence.fold(sent.key), [])
    return any(not evidence.is_ours(line) for line in lines)


_EXPLAINED: Mapping[Action, Callable[[Evidence, LoadEvidence, Entry, Sent], str | None]] = {
    Action.SKIPPED: _skipped,
    Action.AWAITING_REVIEW: _by_rule,
    Action.HELD: _held,
    Action.NOT_SENT: _not_sent,
    Action.FAILED: _failed,
    Action.UNKNOWN: _unknown,
    Action.NOT_FOUND: _not_found,
    Action.UNCHANGED: _unchanged,
}
