"""May two rows with two keys be one person? What is compared of them, and in which form.

A suspicion costs a row no more than its place in a later call, so the form is a broad one: what a rule of the org
might take for the same is the same here. Nothing is decided about the rows but that they go one after the other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_sf_dedup.core.setting_values import check_names
from airflow_sf_dedup.core.spelling import plain_spelling
from airflow_sf_dedup.core.twin_likeness import check_likeness
from airflow_sf_dedup.errors import SettingError

#: Fields in all of which two rows must agree, as :mod:`~airflow_sf_dedup.core.twin_likeness` reads them.
Criterion = tuple[str, ...]

#: Keys that may share a value, or be in one group. A value of more of them is a shared mailbox or stands for "none".
MOST_TWINS = 20

#: What is written before an extension; and what is not of a number before its first digit.
_EXTENSION = re.compile(r"[a-z#;,].*", re.DOTALL)
_BEFORE_NUMBER = re.compile(r"^[^\d+]+")
_NO_DIGIT = re.compile(r"\D+")
_TRUNK_ZERO = re.compile(r"\(\s*0\s*\)")


def read_twin_fields(value: Any) -> tuple[Criterion, ...]:
    """The criteria of ``twin_fields``: one list of fields, or a list of such lists; none for ``None``.

    :raises SettingError: it is neither, or a list is empty: nothing would be compared; or a likeness says nothing.
    """
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str | bytes) or not value:
        raise _refused(value)
    if all(isinstance(each, str) for each in value):
        return (_criterion(value),)
    if any(not isinstance(each, Sequence) or isinstance(each, str | bytes) for each in value):
        raise _refused(value)
    return tuple(map(_criterion, value))


def _criterion(names: Sequence[Any]) -> Criterion:
    if not names:
        raise _refused(names)
    criterion = tuple(check_names("twin_fields", names))
    check_likeness(criterion)
    return criterion


def _refused(value: Any) -> SettingError:
    return SettingError(
        f'twin_fields: expected a list of field names such as ["LastName", "Company"], or a list of such lists, '
        f"got {value!r}",
        setting="twin_fields",
    )


def likened(text: str | None, field_type: str) -> str:
    """The form in which a value is compared; empty for a blank one, which is like no other.

    :param field_type: Salesforce's word for the field: ``email`` and ``phone`` have forms of their own.
    """
    return _FORMS.get(field_type, _text)(text) if text else ""


def _text(text: str) -> str:
    """Without case, accents, and what cannot be seen; blanks are one."""
    seen = "".join(c for c in plain_spelling(text) if unicodedata.category(c) not in ("Cf", "Cc") or c.isspace())
    return " ".join(seen.split())


def _email(text: str) -> str:
    """An address is another one with another accent."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _phone(text: str) -> str:
    """The digits, ``+`` and ``00`` being one; an extension apart."""
    number = _BEFORE_NUMBER.sub("", unicodedata.normalize("NFKC", text).casefold())
    main = _EXTENSION.sub("", number)
    extension = _digits(number[len(main) :])
    is_international = main.startswith(("+", "00"))
    digits = _digits(_TRUNK_ZERO.sub("", main) if is_international else main)
    if not digits:
        return ""
    national = f"+{digits.removeprefix('00')}" if is_international else digits
    return f"{national}x{extension}" if extension else national


def _digits(text: str) -> str:
    return _NO_DIGIT.sub("", text)


_FORMS: Mapping[str, Callable[[str], str]] = {"email": _email, "phone": _phone}
