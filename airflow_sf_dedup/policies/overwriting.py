"""What may a policy overwrite of a record that a row met? A word for each field, and one for all others.

An opt-out is apart, unless it is named: a row that opts out is always written, and one that does not never clears the
opt-out of a record that is somebody's already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from enum import StrEnum
from typing import Any

from airflow_sf_dedup.core.dates import read_moment
from airflow_sf_dedup.core.likeness import Likeness, is_blank, likeness
from airflow_sf_dedup.core.opt_outs import is_opt_out, opts_out
from airflow_sf_dedup.core.ordering import order_of
from airflow_sf_dedup.core.wording import nearest
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies.options import names

#: Stands for all fields that are not named.
OTHERS = "*"

#: Never written to a matched record unless they are named: a load must not move a record to another owner or record
#: type because a rule found it.
UNTOUCHED = frozenset({"ownerid", "owner", "recordtypeid", "recordtype"})

#: Stands for a value that was not read, which is no blank.
NOT_READ = object()

#: Characters of an order, such as ``t:2026-11-23T10:00:00``, up to the second: Salesforce tells no more.
_TO_THE_SECOND = 21


class Overwrite(StrEnum):
    """When a field of a matched record is written."""

    #: Always, as the row has it.
    WRITE = "write"
    #: Where the record has none.
    FILL_BLANKS = "fill_blanks"
    #: Never.
    KEEP = "keep"
    #: Where the row's text is longer; of a field that holds no text, where the record has none.
    LONGEST = "longest"
    #: Where the row is newer than the record's last change.
    NEWEST = "newest"


_WORDS = {**{each.value: each for each in Overwrite}, "all": Overwrite.WRITE, "only_blanks": Overwrite.FILL_BLANKS}


@dataclass(frozen=True)
class FieldRules:
    """What may be overwritten, field by field.

    :ivar others: of fields that are not named; ``None``: they are not written.
    :ivar named: a field, in any spelling that a source column may have, to its rule; in the order in which they stand.
    """

    others: Overwrite | None = Overwrite.WRITE
    named: tuple[tuple[str, Overwrite], ...] = ()
    #: They were given as a list of names.
    is_list: bool = field(default=False, repr=False)

    @classmethod
    def read(cls, given: object, option: str, *, lists: bool = True) -> FieldRules:
        """From a word, a mapping of fields to words, or a list of the fields that are written.

        :param option: such as ``update_existing: fields``.
        :param lists: whether a list may be given.
        :raises SettingError: it is none of these, a word is not known, or a field is named twice.
        """
        if isinstance(given, FieldRules):
            return given
        if isinstance(given, str):
            return cls(_word(given, option))
        if isinstance(given, Mapping):
            return cls._of_mapping(given, option)
        if not lists:
            raise SettingError(f"{option}={given!r} is neither {_known()} nor a mapping", setting="on_duplicate")
        return cls(
            None, tuple((name, Overwrite.WRITE) for name in names(given, option=option, what="field names")), True
        )

    @classmethod
    def _of_mapping(cls, given: Mapping[Any, Any], option: str) -> FieldRules:
        if not given or not all(isinstance(name, str) and name.strip() for name in given):
            raise SettingError(f"{option}={given!r} is no mapping of field names to words", setting="on_duplicate")
        words = {name: _word(word, f"{option}: {name}") for name, word in given.items()}
        others = words.pop(OTHERS, Overwrite.WRITE)
        if len({name.strip().lower() for name in words}) < len(words):
            raise SettingError(f"{option}={given!r} names a field twice", setting="on_duplicate")
        return cls(others, tuple(words.items()))

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that are named."""
        return tuple(name for name, _ in self.named)

    @property
    def needs_order(self) -> bool:
        """Whether a field depends on how new the row is."""
        return Overwrite.NEWEST in (self.others, *(rule for _, rule in self.named))

    def as_given(self) -> object:
        """As the grammar spells them."""
        if self.is_list:
            return list(self.names)
        others = "all" if self.others is Overwrite.WRITE else str(self.others)
        if not self.named:
            return others
        rest = {} if self.others is Overwrite.WRITE else {OTHERS: others}
        return {**{name: rule.value for name, rule in self.named}, **rest}


class OverwritesFields:
    """A policy whose parameter ``fields`` says what it may overwrite; it reads the parameter when it is made."""

    fields: str | tuple[str, ...] | Mapping[str, str] | FieldRules

    @property
    def overwrites(self) -> FieldRules:
        """What may be overwritten."""
        assert isinstance(self.fields, FieldRules)  # noqa: S101 - read when it was made
        return self.fields

    @property
    def named_fields(self) -> tuple[str, ...]:
        """The fields that are named, in any spelling that a source column may have."""
        return self.overwrites.names


@dataclass(frozen=True, slots=True)
class Meeting:
    """A row and the record that it met.

    :ivar order: how new the row is, from :func:`airflow_sf_dedup.core.ordering.order_of`; ``None``: nobody says.
    :ivar changed: when the record was changed last, as Salesforce writes it; ``None``: it was not read.
    """

    order: str | None
    changed: Any

    @property
    def row_is_newer(self) -> bool:
        """By whole seconds, since Salesforce tells no more; what cannot be told, such as by a number, is not newer."""
        if self.order is None or not self.order.startswith("t:") or not isinstance(self.changed, str):
            return False
        try:
            moment = read_moment(self.changed)
        except ValueError:
            return False
        changed = order_of(moment.replace(tzinfo=moment.tzinfo or UTC))
        return self.order[:_TO_THE_SECOND] > changed[:_TO_THE_SECOND]


@dataclass
class Chosen:
    """What is written of a row, and what is kept back of it."""

    fields: dict[str, Any] = field(default_factory=dict)
    #: Field to why, in one word: that of its rule, or ``opted_out``.
    kept_back: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Offer:
    """A value of a row for a field of a record.

    :ivar rule: the one that names the field; ``None``: none does.
    :ivar stored: what the record has, or :data:`NOT_READ`.
    """

    field: str
    value: Any
    stored: Any
    rule: Overwrite | None = None


def choose(offers: Iterable[Offer], rules: FieldRules, meeting: Meeting) -> Chosen:
    """What is written, and what the rules keep back though it differs."""
    chosen = Chosen()
    for offer in offers:
        why = _why_kept(offer, rules, meeting)
        if why is None:
            chosen.fields[offer.field] = offer.value
        elif why and likeness(offer.value, offer.stored, None) is not Likeness.SAME:
            chosen.kept_back[offer.field] = why
    return chosen


def _why_kept(offer: Offer, rules: FieldRules, meeting: Meeting) -> str | None:
    """``None``: the value is written; empty: the policy is not about it."""
    if offer.rule is None and is_opt_out(offer.field):
        return None if opts_out(offer.value) else "opted_out"
    if offer.rule is None and offer.field.lower() in UNTOUCHED:
        return ""
    rule = offer.rule or rules.others
    if rule is None:
        return ""
    return None if _is_written(rule, offer, meeting) else rule.value


def _is_written(rule: Overwrite, offer: Offer, meeting: Meeting) -> bool:
    match rule:
        case Overwrite.WRITE:
            return True
        case Overwrite.KEEP:
            return False
        case Overwrite.NEWEST:
            return meeting.row_is_newer
        case Overwrite.LONGEST if isinstance(offer.value, str) and isinstance(offer.stored, str):
            return _length(offer.value) > _length(offer.stored)
        case _:
            return not is_blank(offer.value) and offer.stored in (None, "")


def _length(text: str) -> int:
    """As Salesforce keeps it, which takes blanks off both ends."""
    return len(text.replace("\r\n", "\n").strip())


def _word(given: object, option: str) -> Overwrite:
    found = _WORDS.get(given) if isinstance(given, str) else None
    if found is None:
        raise SettingError(
            f"{option}={given!r} is not known{nearest(str(given), _WORDS)}; it may be {_known()}",
            setting="on_duplicate",
        )
    return found


def _known() -> str:
    return ", ".join(f'"{word}"' for word in ("all", *Overwrite, "only_blanks"))
