"""The shape of the User Interface API's answer to ``predupe``.

Nothing here sends or decides. The guide's response bodies "Match" and "Duplicate Result Info" name the ids differently
in places, so that ids are taken from wherever they stand; a match without its rule is a match all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_sf_dedup.core.api_names import is_api_name
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Match
from airflow_sf_dedup.core.printable import NAME_LENGTH, said
from airflow_sf_dedup.core.record_ids import record_id_in
from airflow_sf_dedup.errors import TransientCallError
from airflow_sf_dedup.salesforce.wire.rest import NOTHING_BLOCKS

_IDS = ("recordIds", "matchRecordIds")


def read_found(answer: Mapping[str, Any]) -> DuplicatesFound:
    """What the rules find for the row.

    :raises TransientCallError: it does not say whether they find anything.
    """
    found = answer.get("duplicateError")
    if not isinstance(found, bool):
        raise TransientCallError("predupe does not say whether there are duplicates", code="UNREADABLE_ANSWER")
    matches = tuple(dict.fromkeys(match for each in _mappings(answer.get("matches")) for match in _of_sobject(each)))
    if not found and not matches:
        return NOTHING_BLOCKS
    allow_save = answer.get("allowSave") is True and all(match.allow_save is not False for match in matches)
    rules = tuple(dict.fromkeys(rule for each in _mappings(answer.get("matches")) for rule in _rules_of(each)))
    return DuplicatesFound(
        "duplicate rules find records for the row", matches, allow_save=allow_save, rules=rules or (None,)
    )


def _rules_of(match: Mapping[str, Any]) -> Iterator[str | None]:
    """Each rule that it tells of, also one that names no record."""
    return (_text(by_rule.get("rule")) for by_rule in _by_rule(match.get("duplicateResultInfos")))


def _of_sobject(match: Mapping[str, Any]) -> Iterator[Match]:
    """The records of one sObject, once a rule."""
    told = set[str]()
    sobject = match.get("objectApiName")
    name = sobject if is_api_name(sobject) else ""
    for by_rule in _by_rule(match.get("duplicateResultInfos")):
        allow_save, results = by_rule.get("allowSave"), _results(by_rule)
        for result in results:
            for record_id in _ids(result):
                told.add(record_id)
                yield Match(
                    record_id,
                    name,
                    duplicate_rule=_text(by_rule.get("rule")),
                    matching_rule=_text(result.get("rule")),
                    allow_save=allow_save if isinstance(allow_save, bool) else None,
                )
    yield from (Match(record_id, name) for record_id in _ids(match) if record_id not in told)


def _by_rule(infos: Any) -> Iterator[Mapping[str, Any]]:
    """By name of the rule; as a list, too."""
    return _mappings(list(infos.values()) if isinstance(infos, Mapping) else infos)


def _results(by_rule: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    info = by_rule.get("matchResultInfo") or by_rule.get("matchResultInfos")
    return list(_mappings(info if isinstance(info, list) else [info]))


def _ids(holder: Mapping[str, Any]) -> Iterator[str]:
    listed: list[Any] = next((holder[name] for name in _IDS if isinstance(holder.get(name), list)), [])
    return filter(None, map(record_id_in, listed))


def _text(value: Any) -> str | None:
    return (said(value, NAME_LENGTH) or None) if isinstance(value, str) else None


def _mappings(items: Any) -> Iterator[Mapping[str, Any]]:
    return (item for item in items if isinstance(item, Mapping)) if isinstance(items, list) else iter(())
