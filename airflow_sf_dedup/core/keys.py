"""Which row is this? Reads the value of the external-ID field as the row's identity.

A key is read narrowly, so that two different keys are never taken for one; it is folded broadly only
to choose a partition, so that one key never meets two tasks, whatever the org's case rule says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import inf
from typing import Any
from uuid import UUID

from airflow_sf_dedup.core.record_ids import restored
from airflow_sf_dedup.core.sobjects import Field
from airflow_sf_dedup.core.values import (
    INTEGERS,
    MOST_DIGITS,
    NUMBER_TYPES,
    WHOLE_NUMBER_TYPES,
    fits_a_float,
    parse_number,
    plain,
)

#: From here on a float no longer tells neighbouring whole numbers apart: 2**53 + 1 has become 2**53 itself.
_AMBIGUOUS_AS_A_FLOAT = 2**53

#: What Salesforce trims from a text; wider blanks such as the no-break space are kept.
_BLANKS = " \t\n\r\f\v"

#: NUL, half a character, and the byte order mark, also with its bytes swapped: where files were joined, it would make
#: a second key that looks like the first.
_DAMAGE = re.compile("[\0\ud800-\udfff\ufeff\ufffe]")


class UnusableKey(ValueError):
    """A value that cannot identify a record.

    :param field_name: the field, in the org's spelling.
    :param reason: one word, such as ``missing_key``.
    :param why: what is wrong, in words that do not repeat the value and complete a sentence that the field begins.
    """

    def __init__(self, field_name: str, reason: str, why: str) -> None:
        self.message = f"{field_name} {why}"
        super().__init__(self.message)
        self.field_name = field_name
        self.reason = reason
        self.why = why


@dataclass(frozen=True)
class KeyRule:
    """How the org reads, compares and stores the keys of one external-ID field."""

    field: Field

    @property
    def is_number(self) -> bool:
        """Whether the field is of a number type."""
        return self.field.type in NUMBER_TYPES

    @property
    def names(self) -> tuple[str, ...]:
        """The fields of which a record's key is made."""
        return (self.field.name,)

    @property
    def is_field(self) -> bool:
        """Whether records carry the key in a field of their own."""
        return True

    def read_row(self, value_of: Callable[[str], Any]) -> str:
        """The normalised key of a row.

        :param value_of: the row's value for the field of a name.
        :raises UnusableKey: as :meth:`read`.
        """
        return self.read(value_of(self.field.name))

    def sent(self, key: str) -> dict[str, Any]:
        """What a row carries for its key."""
        return {self.field.name: self.wire_value(key)}

    def fold_record(self, values: Mapping[str, Any]) -> str:
        """The key of a record, as :meth:`fold_stored` has it."""
        return self.fold_stored(values.get(self.field.name))

    def read(self, value: Any) -> str:
        """The normalised key.

        :raises UnusableKey: the value is missing or cannot be a key of this field.
        """
        value = plain(value)
        if value is None or (isinstance(value, str) and not value.strip()):
            raise self._unusable("missing_key", "is blank: the row has no key")
        if isinstance(value, bool):
            raise self._unusable("key_is_a_boolean", "is true or false, which is no key")
        return self._number(value) if self.is_number else self._text(value)

    def fold(self, key: str) -> str:
        """The form in which the org itself compares keys: equal forms are repeats of one key."""
        if self.field.type == "email" or (self.field.unique and not self.field.case_sensitive):
            return key if self.is_number else key.lower()
        return key

    def fold_stored(self, value: Any) -> str:
        """A value read from the org as :meth:`fold` compares it; empty for a blank or unreadable one.

        SOAP writes large numbers with an exponent, which is no way to write a key in a source.
        """
        try:
            return self.fold(self.read(Decimal(value) if self.is_number and isinstance(value, str) else value))
        except (UnusableKey, ArithmeticError):
            return ""

    def partition_fold(self, key: str) -> str:
        """The broadest folding; keys that :meth:`fold` alike are alike here, as it starts from lower case."""
        if key.isascii():
            return key.lower().strip()
        folded = unicodedata.normalize("NFKC", key.lower()).casefold()
        return unicodedata.normalize("NFKC", folded).strip()

    def wire_value(self, key: str) -> str | int | float:
        """What to send as JSON: a number for a number field; :meth:`read` lets none through that would lose digits."""
        if not self.is_number:
            return key
        return float(key) if "." in key else int(key)

    def _text(self, value: Any) -> str:
        key = self._without_damage(self._as_text(value).strip(_BLANKS))
        if self.field.holds_ids:
            return self._record_id(key)
        if 0 < self.field.length < len(key):
            raise self._unusable("key_too_long", f"has {len(key)} characters, it holds {self.field.length}")
        return key.lower() if self.field.type == "email" else key

    def _record_id(self, key: str) -> str:
        """The 18 characters of an id, so that one record is one key."""
        try:
            return restored(key)
        except ValueError:
            raise self._unusable("key_is_no_id", "is no record id of 15 or 18 characters") from None

    def _as_text(self, value: Any) -> str:
        if isinstance(value, str):
            return str(value)
        if isinstance(value, float):
            raise self._unusable(
                "key_is_a_float", "is a text field and the key a float, so 1.0 could mean '1' or '1.0': send it as text"
            )
        if isinstance(value, int):
            # Refused here because Python does not spell out whole numbers of thousands of digits.
            return str(value) if value.bit_length() < 10_000 else "9" * 3_000
        if isinstance(value, Decimal) and value.is_finite():
            return f"{value:f}" if abs(value.adjusted()) < 3_000 else "9" * 3_000
        if isinstance(value, UUID):
            return str(value)
        raise self._unusable("key_is_no_text", "is neither text nor a whole number")

    def _without_damage(self, key: str) -> str:
        if _DAMAGE.search(key):
            raise self._unusable(
                "key_has_bad_characters",
                "holds a NUL or half a character, which no API can carry, or a byte order mark, which belongs to a "
                "file and to no key",
            )
        return key

    def _number(self, value: Any) -> str:
        number = self._parsed(value)
        if not number:
            return "0"
        if not -MOST_DIGITS <= number.adjusted() < MOST_DIGITS:
            raise self._unusable("key_too_long", f"has more than {MOST_DIGITS} digits")
        key = f"{number:f}"
        if "." in key:
            key = key.rstrip("0").rstrip(".")
        self._fits(key)
        return key

    def _parsed(self, value: Any) -> Decimal:
        if isinstance(value, float) and _AMBIGUOUS_AS_A_FLOAT <= abs(value) < inf:
            raise self._unusable(
                "key_is_a_float", "is a float too large to tell neighbouring keys apart: send it as text"
            )
        if isinstance(value, str) and "e" in value.lower():
            # Spreadsheets write 1.23457E+11 for long numbers: several keys have become one there.
            raise self._unusable("key_not_a_number", "is written with an exponent or letters: write out all its digits")
        number = parse_number(value)
        if number is None:
            raise self._unusable(
                "key_not_a_number", "is a number field and the key is no number (digits only, no thousands separators)"
            )
        return number

    def _fits(self, key: str) -> None:
        digits = key.lstrip("-").replace(".", "").lstrip("0")
        decimals = len(key.partition(".")[2])
        if self.field.type == "int" and not decimals and int(key) not in INTEGERS:
            raise self._unusable("key_too_long", "holds whole numbers of 32 bits")
        scale = 0 if self.field.type in WHOLE_NUMBER_TYPES else self.field.scale
        if decimals > scale:
            raise self._unusable("key_has_too_many_decimals", f"has {decimals} decimals, it holds {scale}")
        if len(digits) > MOST_DIGITS:
            raise self._unusable("key_too_long", f"has more than {MOST_DIGITS} digits")
        if decimals and not fits_a_float(Decimal(key)):
            raise self._unusable(
                "key_has_too_many_digits", "has more digits than JSON carries exactly: make the key a text field"
            )

    def _unusable(self, reason: str, why: str) -> UnusableKey:
        return UnusableKey(self.field.name, reason, why)
