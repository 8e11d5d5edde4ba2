"""What Salesforce said about one row of one call. Exactly one of these, in row order."""

from __future__ import annotations

from dataclasses import dataclass

#: Why a blocked row has no match, in one word: Salesforce refused it without naming a record.
NO_MATCH_NAMED = "no_match_named"
#: A look-up that writes nothing finds nothing that blocks the row: whether it is blocked still, only a save tells.
NOTHING_FOUND = "nothing_found"
#: The task had made the look-ups that it may make.
NOT_LOOKED_UP = "not_looked_up"


@dataclass(frozen=True, slots=True)
class Match:
    """A record that a duplicate rule names (SOAP ``MatchRecord`` with its ``MatchResult``)."""

    #: 18 characters.
    record_id: str
    #: The sObject of the matched record; it may differ from the one that was written.
    sobject: str
    #: DeveloperName of the duplicate rule.
    duplicate_rule: str | None = None
    #: DeveloperName of the matching rule.
    matching_rule: str | None = None
    #: ``ExactMatchEngine`` or ``FuzzyMatchEngine``.
    engine: str | None = None
    #: Match confidence in percent, 0 to 100.
    confidence: float | None = None
    #: Whether the rule may be overridden by ``allowSave=true`` (an alert rule).
    allow_save: bool | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """The row is in the org."""

    record_id: str
    #: ``None`` when the answer does not say (a plain create or update).
    created: bool | None


@dataclass(frozen=True, slots=True)
class DuplicatesFound:
    """A duplicate rule refused the row (``DUPLICATES_DETECTED``)."""

    message: str
    #: ``None``: this API does not say which records matched. Empty: it says there are none it may show.
    matches: tuple[Match, ...] | None = None
    #: Every rule that refused the row says it may be overridden.
    allow_save: bool = False
    #: False: a rule found more records than it names, so that a single match need not be the only one.
    all_named: bool = True
    #: An earlier sending of the row got no answer: it may be in the org all the same.
    in_doubt: bool = False
    #: Where there are no matches, why, in one word.
    why_unnamed: str = NO_MATCH_NAMED
    #: DeveloperName of each rule that refused the row, also of one that names no record; ``None``: it has none.
    rules: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class KeyHeldByMany:
    """More than one record holds the key (``DUPLICATE_EXTERNAL_ID``, or HTTP 300)."""

    message: str
    record_ids: tuple[str, ...] = ()
    #: An earlier sending of the row got no answer: it may be in the org all the same.
    in_doubt: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """Salesforce refused the row for any other reason."""

    code: str
    message: str
    fields: tuple[str, ...] = ()
    #: An earlier sending of the row got no answer: it may be in the org all the same.
    in_doubt: bool = False
    #: The message was said of all rows of a call together, so that it may quote another one.
    of_many: bool = False


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The row was sent and no answer can be attributed to it; it may or may not be in the org."""

    reason: str
    #: Records that may be the row, where there are some: 18 characters each.
    record_ids: tuple[str, ...] = ()


Outcome = Saved | DuplicatesFound | KeyHeldByMany | Failed | Unanswered
