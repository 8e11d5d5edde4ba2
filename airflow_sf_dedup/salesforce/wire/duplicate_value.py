"""``DUPLICATE_VALUE`` is one code for several causes; which one decides whether a repeat helps.

The cause, the field and the record that holds the value stand in the message only (REST guide; the ``fields`` of the
error are mostly empty). Its text is no contract: it may be masked, in another language, or Bulk's
``CODE:message:fields --``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from airflow_sf_dedup.core.record_ids import record_id_in
from airflow_sf_dedup.salesforce.wire.rest import record_ids_in

#: The field's place holds one API name, or ``<unknown>`` when the user may not see the holder.
_ENGLISH = re.compile(
    r"duplicate value found:\s*(?P<field>.{1,255}?)\s+duplicates value on record with id:\s*(?P<id>[0-9A-Za-z]*)",
    re.IGNORECASE | re.DOTALL,
)
#: Of an upsert by external id, and of an update by record id.
_REPEATED = re.compile(r"duplicate (?:external )?id specified", re.IGNORECASE)
_API_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_MASKED = "unknown"


class DuplicateValue(StrEnum):
    """Why a unique value was refused."""

    #: Another writer was faster with the same new key (Salesforce help 000383480); a repeat updates.
    RACE = "race"
    #: Another unique field of the row holds a value that another record has.
    OTHER_FIELD = "other_unique_field"
    #: The key stands twice in one call, as Salesforce folds it.
    REPEATED_IN_CALL = "key_repeated_in_call"
    #: The message does not say; in another language, or an object's own rule.
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class DuplicateValueMessage:
    """What the message of a ``DUPLICATE_VALUE`` tells."""

    kind: DuplicateValue
    #: API name of the field whose value is taken, as the message spells it; ``None``: it does not say.
    field: str | None = None
    #: 18 characters; ``None``: the message names no record, or several. It can be wrong after a rollback with
    #: triggers (Apex guide: "Using Triggers to Insert or Update Records with Unique Fields"), so re-read by key.
    holder_id: str | None = None


def kind_of(message: str, external_id_field: str) -> DuplicateValue:
    """Why the value was refused; see :func:`read_message`."""
    return read_message(message, external_id_field).kind


def read_message(message: str, external_id_field: str, fields: Collection[str] = ()) -> DuplicateValueMessage:
    """Read the message of a ``DUPLICATE_VALUE``. Never raises.

    :param external_id_field: the load's key; empty for a write that has none, where nothing is a race.
    :param fields: API names of the sObject's fields. A text in another language is searched for them.
    """
    if _REPEATED.search(message):
        return DuplicateValueMessage(DuplicateValue.REPEATED_IN_CALL, external_id_field or None)
    english = _ENGLISH.search(message)
    field = _field_in_place(english["field"]) if english else None
    if field is None:
        field = _field_anywhere(message[english.end() :] if english else message, {external_id_field, *fields})
    return DuplicateValueMessage(
        _kind(field, external_id_field),
        field,
        record_id_in(english["id"]) if english else _only_id(message),
    )


def _kind(field: str | None, external_id_field: str) -> DuplicateValue:
    if field is None:
        return DuplicateValue.UNCLEAR
    same = field.lower() == external_id_field.lower()
    return DuplicateValue.RACE if same else DuplicateValue.OTHER_FIELD


def _field_in_place(text: str) -> str | None:
    return text if _API_NAME.fullmatch(text) and text.lower() != _MASKED else None


def _field_anywhere(text: str, names: Collection[str]) -> str | None:
    """The one field that the text names."""
    found = {name.lower(): spelled for name in names if (spelled := _spelled(text, name))}
    custom = {name: spelled for name, spelled in found.items() if "__" in name}
    candidates = list((custom or found).values())
    return candidates[0] if len(candidates) == 1 else None


def _spelled(text: str, name: str) -> str | None:
    """The name as the text has it, as a word of its own.

    A standard field's name is a common word (``Name``, ``Id``), so it counts only in the case of the API name.
    Letters beside ASCII end a word: some languages write no spaces.
    """
    if not name or name == "Id":
        return None
    flags = re.IGNORECASE if "__" in name else 0
    word = re.search(rf"(?<![A-Za-z0-9_.]){re.escape(name)}(?![A-Za-z0-9_]|\.[A-Za-z])", text, flags)
    return word[0] if word else None


def _only_id(text: str) -> str | None:
    ids = record_ids_in(text)
    return ids[0] if len(ids) == 1 else None
