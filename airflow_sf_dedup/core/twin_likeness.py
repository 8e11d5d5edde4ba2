"""How alike must two values be that need not be equal? As ``twin_fields=[["PostalCode", "LastName~85"]]`` asks."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_sf_dedup.errors import SettingError

#: Between a field and the percent in which its values must be alike; no field's name has one.
MARK = "~"

#: Percent from which on values may be called alike. With less, most names are like most others.
LEAST_LIKENESS = 50


def named_field(name: str) -> str:
    """The field of ``LastName~85``, or of a name alone."""
    return name.partition(MARK)[0].strip()


def likeness_asked(name: str) -> int | None:
    """The percent of ``LastName~85``; ``None``: the values must be equal.

    :raises SettingError: it is no whole number of percent that says something.
    """
    field, mark, percent = name.partition(MARK)
    if not mark:
        return None
    if field.strip() and percent.isascii() and percent.isdigit() and LEAST_LIKENESS <= int(percent) < 100:
        return int(percent)
    raise SettingError(
        f'twin_fields: {name!r} is no field with a likeness such as "LastName{MARK}85", from {LEAST_LIKENESS} to 99 '
        "percent",
        setting="twin_fields",
    )


def check_likeness(names: Sequence[str]) -> None:
    """Refuse a criterion in which no field must be equal: every row would be compared with every other.

    :raises SettingError: it is one, or a likeness is none.
    """
    asked = [likeness_asked(name) for name in names]
    if None not in asked:
        raise SettingError(
            f"twin_fields: rows are compared by {', '.join(names)} only where they agree in another field: name one "
            f'beside it, such as ["PostalCode", "{names[0]}"]',
            setting="twin_fields",
        )


def in_any_order(text: str) -> str:
    """A text with its words sorted: ``Works Ahlberg`` is ``Ahlberg Works``."""
    return " ".join(sorted(text.split()))
