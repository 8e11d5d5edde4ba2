"""What to do about a row that a duplicate rule refused, or whose key is held where it cannot be written, as values.

A policy chooses one of these; only a journey carries them out. The closed set is what makes a new
policy a small file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from airflow_sf_dedup.core.field_names import carried_as, field_named
from airflow_sf_dedup.core.obstacles import Obstacle
from airflow_sf_dedup.core.outcomes import NO_MATCH_NAMED, Match
from airflow_sf_dedup.core.record_state import Deletion, RecordState
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.core.write_modes import CREATE_ONLY


@dataclass(frozen=True, slots=True)
class UpdateMatch:
    """Write these fields, the key among them, to the matched record. Never a create."""

    #: 18 characters.
    record_id: str
    fields: Mapping[str, Any]
    #: Of the row's fields, those that are not written to it though they differ, and why in one word.
    kept_back: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class UpdateOther:
    """Write these fields, the stamp among them, to the matched record of another sObject. Never a create."""

    sobject: str
    #: 18 characters.
    record_id: str
    #: By the names of the other sObject.
    fields: Mapping[str, Any]
    #: The field of the record that remembers the row's key.
    stamp: str
    #: Of the fields of the policy, those that are not written to it though they differ, and why in one word.
    kept_back: Mapping[str, str] = field(default_factory=dict, compare=False)
    #: Field of the record to the field of the row, in lower case, whose value it gets, or would get.
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class UndeleteMatch:
    """Take this record out of the recycle bin, and write these fields, the key among them, to it."""

    #: 18 characters.
    record_id: str
    fields: Mapping[str, Any]
    #: Of the row's fields, those that are not written to it though they differ, and why in one word.
    kept_back: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class SaveRow:
    """Upsert the row by its key with ``allowSave=true``.

    :ivar rules: duplicate rules that may be overridden, in lower case; where another one refused the row, it is not
        saved, since ``allowSave`` overrides all alerts at once. Empty: whichever the org lets be overridden.
    """

    rules: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LinkRow:
    """Upsert the row by its key with ``allowSave=true``, pointing to the matched record."""

    #: 18 characters.
    record_id: str
    #: The look-up field of the row, in the org's spelling.
    field: str


@dataclass(frozen=True, slots=True)
class WaitForRule:
    """Send the row again later: the rules that refused it are switched off, and the org has not heard of it everywhere.

    :ivar after: how much later.
    :ivar times: how often a row waits at most in one load.
    """

    after: timedelta
    times: int
    reason: str = "rule_inactive"


@dataclass(frozen=True, slots=True)
class SkipRow:
    """Leave the row and the matched records as they are, and say so."""

    reason: str = "by_policy"


@dataclass(frozen=True, slots=True)
class Ask:
    """A person decides; the row's values are kept until then."""

    reason: str = "by_policy"


@dataclass(frozen=True, slots=True)
class Fail:
    """The row stays refused: nobody claims it, and no duplicate rule is in its way that a person could decide on."""


@dataclass(frozen=True, slots=True)
class Pass:
    """This policy does not claim the case; the next one is asked."""

    reason: str
    #: False: the policy is not meant for such a case, which says less than why another one could not act.
    tells: bool = field(default=True, compare=False)


Decision = UpdateMatch | UpdateOther | UndeleteMatch | SaveRow | LinkRow | WaitForRule | SkipRow | Ask | Fail


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision and who made it."""

    decision: Decision
    #: The policy, so that it is not asked again where its decision is refused.
    by: object


@dataclass(frozen=True, slots=True)
class Refused:
    """A policy whose decision on the case could not be carried out."""

    by: object
    #: One word.
    reason: str
    #: Salesforce refused it; False: it was never sent, since nothing uncertain is done.
    sent: bool = True


@dataclass(frozen=True, slots=True)
class MatchedRecord:
    """A record that a row met, and what was read of it: a match, or a holder of the row's key."""

    #: One record may be named by several rules; one that holds the row's key is named without a rule.
    matches: tuple[Match, ...]
    state: RecordState = RecordState.UNREADABLE
    #: Of a record in the recycle bin.
    deletion: Deletion | None = None
    #: The merges by which a record that was named has become this one: each id, with the one it was merged into.
    merges: tuple[tuple[str, str], ...] = ()
    #: The key it carries, as it was read; of another sObject, what stands in the field that a policy calls its stamp.
    key: str | None = None
    #: That key is another than the row's, by the case rule of the field.
    carries_another_key: bool = False
    #: An earlier try of the load had it claimed for the row's key.
    is_claimed: bool = False
    #: By the fields of the row; of a record of another sObject, those that correspond to them.
    values: Mapping[str, Any] = field(default_factory=dict)
    #: By the record's own fields, where it is of another sObject.
    own_values: Mapping[str, Any] = field(default_factory=dict)
    #: Of a converted lead, the contact that it is now, where a policy may write to that and it was read.
    became: MatchedRecord | None = None

    @property
    def record_id(self) -> str:
        """18 characters; of a record that was merged away, the living one."""
        merged_away = dict(self.merges)
        record_id = self.matches[0].record_id
        while record_id in merged_away:
            record_id = merged_away.pop(record_id)
        return record_id

    @property
    def sobject(self) -> str:
        """The record's own sobject."""
        return self.matches[0].sobject

    @property
    def leads_to(self) -> str | None:
        """The record that it was merged into, or the contact that a converted lead has become, as far as was read."""
        if self.state is RecordState.CONVERTED:
            contact = self.values.get("ConvertedContactId")
            return contact if isinstance(contact, str) else None
        return self.deletion.merged_into if self.deletion else None

    @property
    def confidence(self) -> float | None:
        """The best confidence any rule gives it, percent."""
        return max((m.confidence for m in self.matches if m.confidence is not None), default=None)

    @property
    def is_gone(self) -> bool:
        """Deleted, merged away or converted: nothing that may be written to."""
        return self.state.is_gone

    @property
    def readable(self) -> bool:
        """Its values were read; none are of a record in the recycle bin."""
        return self.state in (RecordState.LIVE, RecordState.CONVERTED)


@dataclass(frozen=True, slots=True)
class DuplicateCase:
    """All that is known of one blocked row when a policy is asked."""

    record: Record
    sobject: str
    external_id_field: str
    #: The records that rules name; where the key itself is the obstacle, its holders.
    matched: tuple[MatchedRecord, ...]
    #: What keeps the row out.
    obstacle: Obstacle = Obstacle.DUPLICATE_RULE
    #: Ids of the live records that already hold the row's key.
    key_holders: tuple[str, ...] = ()
    #: Records in the recycle bin that hold the row's key, and that no rule names.
    gone_holders: tuple[MatchedRecord, ...] = ()
    #: When all this was read, UTC, by the org's clock; ``None``: nobody said.
    read_at: datetime | None = None
    #: Every rule that refused the row says it may be overridden.
    allow_save: bool = False
    #: False: there are matches that the org does not name.
    all_named: bool = True
    #: Where no record is named, why, in one word.
    why_unnamed: str = NO_MATCH_NAMED
    #: Each duplicate rule that refused the row, also one that names no record; ``None``: one whose name is not told.
    rules: tuple[str | None, ...] = ()
    #: Each duplicate rule of the sObject, in lower case, to whether the org calls it active; ``None``: nobody said.
    rule_states: Mapping[str, bool] | None = None
    #: The fields whose values are the key, where no record carries it in a field: there is nothing to stamp.
    match_fields: tuple[str, ...] = ()
    #: How often the row has waited in this load for rules that were switched off.
    rule_waits: int = 0
    #: The sObject with the fields that the user sees; ``None``: nobody said.
    described: SObject | None = None
    #: E-mail addresses, in lower case, that people of different names hold among all that is settled together.
    shared_mailboxes: frozenset[str] = frozenset()
    #: Id of a match to child sObject to how many of these hang on it, where that was asked for.
    children: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    #: The load only creates: no policy may write to a record that there is.
    only_creates: bool = False
    #: Policies whose decisions were refused, in that order.
    refused: tuple[Refused, ...] = ()

    def without(self, decided: Decided, reason: str, *, sent: bool = True) -> DuplicateCase:
        """The case once a decision could not be carried out; its policy is not asked again."""
        return replace(self, refused=(*self.refused, Refused(decided.by, reason, sent)))

    @property
    def key_fields(self) -> tuple[str, ...]:
        """The fields of which a record's key is made."""
        return self.match_fields or (self.external_id_field,)

    @property
    def matches_that_count(self) -> tuple[MatchedRecord, ...]:
        """The live matches; where none is live, all of them."""
        return tuple(record for record in self.matched if not record.is_gone) or self.matched

    @property
    def refused_by(self) -> frozenset[str | None]:
        """The duplicate rules that refused the row, in lower case; ``None`` is one whose name is not told."""
        named = (match.duplicate_rule for record in self.matched for match in record.matches)
        return frozenset(rule.lower() if rule else None for rule in (*self.rules, *named))

    def is_refused_only_by(self, rules: frozenset[str]) -> bool:
        """Whether all duplicate rules that refused the row are told, and are among these, in lower case."""
        return bool(self.refused_by) and self.refused_by <= rules

    @property
    def is_refused_only_by_inactive_rules(self) -> bool:
        """Whether the org calls every rule inactive that refused the row.

        Where a rule is not told, every rule that the sObject has must be inactive.
        """
        if self.obstacle.is_key or not self.rule_states:
            return False
        told = self.refused_by - {None}
        inactive = {name for name, is_active in self.rule_states.items() if not is_active}
        all_told = bool(told) and None not in self.refused_by
        return told <= inactive and (all_told or not any(self.rule_states.values()))

    def carried_as(self, name: str) -> frozenset[str]:
        """The names, in lower case, under which the row can carry the field that a setting names."""
        found = field_named(self.described, name) if self.described else None
        if found is not None:
            return carried_as(found.field)
        return frozenset({name.partition(".")[0].rpartition(":")[2].lower()})


def uncertainty(case: DuplicateCase) -> str | None:
    """Why nothing may be done to a matched record, in one word; ``None`` when one is certain.

    A match is certain when it is the only live one over all rules, all of which name what they found, of
    the row's own sobject, readable and without another key, and when no other record holds the row's key yet.
    It may hold the key itself: a call of an earlier try that stamped it was carried out late.
    """
    if case.only_creates:
        return CREATE_ONLY
    return no_single_match(case) or _why_not_this_one(next(r for r in case.matched if not r.is_gone), case)


def no_single_match(case: DuplicateCase) -> str | None:
    """Why there is no live match that is the only one, whatever sObject it is of; ``None``: there is."""
    live = [record for record in case.matched if not record.is_gone]
    if case.obstacle.is_key and (case.obstacle is not Obstacle.KEY_HELD_IN_RECYCLE_BIN or not live):
        return case.obstacle.value
    if set(case.key_holders) - {record.record_id for record in live if len(live) == 1}:
        return "key_already_held"
    if not case.matched:
        return case.why_unnamed
    if not case.all_named:
        return "match_not_named"
    if not live:
        return _why_gone(case)
    if len(live) > 1:
        return "several_matches"
    return None


def _why_gone(case: DuplicateCase) -> str:
    states = {record.state for record in case.matched}
    if RecordState.CONVERTED in states:
        return "match_converted"
    return "match_deleted" if RecordState.DELETED in states else "match_merged_away"


def _why_not_this_one(match: MatchedRecord, case: DuplicateCase) -> str | None:
    if match.sobject.lower() != case.sobject.lower():
        return "match_is_another_sobject"
    if match.state is RecordState.UNREADABLE:
        return "match_unreadable"
    if match.carries_another_key:
        return "match_carries_another_key"
    return None


def certain_match(case: DuplicateCase) -> MatchedRecord | None:
    """The one record that may be acted on, if there is one."""
    if uncertainty(case) is not None:
        return None
    return next(record for record in case.matched if not record.is_gone)


def why_not_undeleted(case: DuplicateCase) -> str | None:
    """Why no record may be taken out of the recycle bin, in one word; ``None`` when one may.

    It is the only one that the rules name, or that holds the row's key; nothing else matches, every match is named, no
    live record holds the key, and it was deleted and not merged away.
    """
    if case.only_creates:
        return CREATE_ONLY
    if case.obstacle in (Obstacle.KEY_HELD_BY_MANY, Obstacle.KEY_HELD_BY_CONVERTED):
        return case.obstacle.value
    if case.key_holders:
        return "key_already_held"
    if not case.matched:
        return "no_match_named"
    if not case.all_named:
        return "match_not_named"
    return _why_not_from_bin(case)


def _why_not_from_bin(case: DuplicateCase) -> str | None:
    found = (*case.matched, *case.gone_holders)
    states = {record.state for record in found}
    if RecordState.CONVERTED in states:
        return "match_converted"
    if states - {RecordState.DELETED, RecordState.MERGED_AWAY}:
        return "match_not_deleted"
    if RecordState.MERGED_AWAY in states:
        return "match_merged_away"
    if len({record.record_id for record in found}) > 1:
        return "several_matches"
    is_read = found[0].values.keys() >= {*case.key_fields}
    return _why_not_this_one(found[0], case) or (None if is_read else "match_unreadable")


def deleted_match(case: DuplicateCase) -> MatchedRecord | None:
    """The one record that may be taken out of the recycle bin, if there is one."""
    return case.matched[0] if why_not_undeleted(case) is None else None
