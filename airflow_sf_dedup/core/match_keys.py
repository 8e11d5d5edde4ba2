"""Which row is this, where no one field says so? The values of several fields together are its key (``match_on``).

Weaker than an external ID: the org does not keep such a key unique, and a record whose values change holds another one
from then on. The key is a JSON object of the values as the org compares them, ``{"Company":"acme","Email":"a@b.eu"}``,
so that one pair of values is one text whatever blanks, commas or quotes stand in them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.core.api_names import is_api_name
from airflow_sf_dedup.core.keys import KeyRule, UnusableKey
from airflow_sf_dedup.core.setting_values import check_names
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.values import NUMBER_TYPES, to_wire
from airflow_sf_dedup.errors import SettingError

#: Fields that a key may be made of: what is compared must be found by a query in a URL.
MOST_MATCH_FIELDS = 5

#: Types whose values a query compares as a whole, and a row tells as the org does. A moment has several spellings, a
#: checkbox is never blank, a long text cannot be asked for.
MATCH_TYPES = NUMBER_TYPES | {"string", "email", "phone", "url", "picklist", "reference", "date"}

_NAMED = re.compile(r"match_on\((.+)\)")

#: What no query can carry, as its text travels in XML: a key with it would never be found again.
_NOT_ASKED_FOR = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

#: The Greek letter whose lower case is another one at the end of a word.
_BY_ITS_PLACE = "\N{GREEK CAPITAL LETTER SIGMA}"


def match_name(names: Iterable[str]) -> str:
    """What stands where the name of an external-ID field would: ``match_on(Company, Email)``, in whatever order."""
    return f"match_on({', '.join(sorted(names, key=str.lower))})"


def match_fields(name: str) -> tuple[str, ...]:
    """The fields that such a name has; none, where it is the name of a field."""
    found = _NAMED.fullmatch(name)
    return tuple(found[1].split(", ")) if found else ()


def read_match_on(value: Any) -> tuple[str, ...]:
    """The names of ``match_on``; none, where it is ``None``.

    :raises SettingError: it is no list of one to five different API names.
    """
    if value is None:
        return ()
    names: Collection[str] = check_names("match_on", value)
    if not 0 < len(names) <= MOST_MATCH_FIELDS:
        raise SettingError(
            f"match_on: expected the names of one to {MOST_MATCH_FIELDS} fields, got {len(names)}", setting="match_on"
        )
    if odd := [name for name in names if not is_api_name(name)]:
        raise SettingError(f"match_on: {odd[0]!r} is no API name of a field", setting="match_on")
    if len({name.lower() for name in names}) < len(names):
        raise SettingError(f"match_on: a field is named twice in {list(names)!r}", setting="match_on")
    return tuple(names)


def named_key(external_id_field: str | None, match_on: Any) -> str | None:
    """The name of a load's key, of whichever of its two settings says it; ``None``: neither does.

    :raises SettingError: both do, or one cannot be what it says.
    """
    names = read_match_on(match_on)
    if names and external_id_field is not None:
        raise SettingError(
            "match_on: a load has external_id_field or match_on, not both; an external ID is the stronger key",
            setting="match_on",
        )
    if isinstance(external_id_field, str) and match_fields(external_id_field):
        raise SettingError(
            f"external_id_field={external_id_field!r} is no field: give the names as match_on=[…]",
            setting="external_id_field",
        )
    return match_name(names) if names else external_id_field


def key_of_load(external_id_field: str | None, match_on: Any) -> str:
    """The same of a load that has to have one.

    :raises SettingError: as :func:`named_key`, or there is none.
    """
    name = named_key(external_id_field, match_on)
    if name is None:
        raise SettingError(
            "external_id_field: a load needs it, or match_on where the sObject has no external ID",
            setting="external_id_field",
        )
    return name


@dataclass(frozen=True)
class MatchRule(KeyRule):
    """How the values of several fields are read, compared and asked for as one key.

    :ivar field: stands for all of them, and is no field of the org.
    :ivar parts: one rule a field, in the order of their names.
    """

    parts: tuple[KeyRule, ...] = ()

    @classmethod
    def of(cls, fields: Iterable[Field]) -> MatchRule:
        """The rule for a key of these fields, whatever their order."""
        parts = tuple(map(KeyRule, sorted(fields, key=lambda each: each.name.lower())))
        name = match_name(part.field.name for part in parts)
        return cls(Field(name, name, "string"), parts)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the fields."""
        return tuple(part.field.name for part in self.parts)

    @property
    def is_field(self) -> bool:
        """No record carries the key in a field."""
        return False

    def read_row(self, value_of: Callable[[str], Any]) -> str:
        """The key of a row.

        :raises UnusableKey: a part is blank or cannot be one; names its field.
        :raises MalformedValue: a part is no date.
        """
        return _key({part.field.name: _part(part, value_of(part.field.name)) for part in self.parts})

    def sent(self, key: str) -> dict[str, Any]:
        """Nothing beside the row's own columns: these hold the values as the row spells them."""
        return {}

    def fold_record(self, values: Mapping[str, Any]) -> str:
        """The key of a record; empty where a part is blank or was not read."""
        parts = {part.field.name: _stored_part(part, values.get(part.field.name)) for part in self.parts}
        return _key(parts) if all(parts.values()) else ""

    def values(self, key: str) -> tuple[str, ...]:
        """The parts of a key, in the order of :attr:`names`."""
        parts: Mapping[str, str] = json.loads(key)
        return tuple(parts[name] for name in self.names)


def key_rule_of(sobject: SObject, name: str) -> KeyRule | None:
    """The rule of a key by the name that a load has for it; ``None``: a field of it is not known."""
    names = match_fields(name)
    fields = [sobject.field(each) for each in names or (name,)]
    known = [field for field in fields if field is not None]
    if len(known) < len(fields):
        return None
    return MatchRule.of(known) if names else KeyRule(known[0])


def _key(values: Mapping[str, str]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def _part(part: KeyRule, value: Any) -> str:
    field = part.field
    if field.type == "date":
        value = to_wire(field, value)
    text = part.read(value)
    if _NOT_ASKED_FOR.search(text):
        raise UnusableKey(field.name, "key_has_bad_characters", "holds a control character, which no query can carry")
    return text if part.is_number or field.holds_ids else _in_lower_case(text)


def _stored_part(part: KeyRule, value: Any) -> str:
    """SOAP writes large numbers with an exponent, which is no way to write a key in a source."""
    folded = part.fold_stored(value)
    return folded if not folded or part.is_number or part.field.holds_ids else _in_lower_case(folded)


def _in_lower_case(text: str) -> str:
    """The text in lower case, but for letters whose other case is not one letter, leads to another one, or depends on
    the letters beside it: the org may tell these apart, and must be asked for what stands there.
    """
    return text.lower() if text.isascii() else "".join(map(_lowered, text))


def _lowered(letter: str) -> str:
    lower = letter.lower()
    is_plain = len(lower) == 1 and lower.upper() == letter.upper() and letter not in _BY_ITS_PLACE
    return lower if is_plain else letter
