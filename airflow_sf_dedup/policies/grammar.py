"""One grammar for policies: objects, one string, or YAML lists and mappings.

These are the same::

    UpdateExisting(min_confidence=90) | AskReviewer()
    "update_existing(min_confidence=90) | ask_reviewer"
    [{"update_existing": {"min_confidence": 90}}, "ask_reviewer"]
    {"update_existing": {"min_confidence": 90}, "ask_reviewer": None}

A combinator takes a mapping of names, or of numbers, to policies in any of these spellings::

    ByRule({"Leads_by_mail": UpdateExisting() | Skip()})
    "by_rule({'Leads_by_mail': 'update_existing | skip'})"
    {"by_rule": {"Leads_by_mail": ["update_existing", "skip"]}}
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence

from airflow_sf_dedup.core.wording import listed
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies.ask_reviewer import AskReviewer
from airflow_sf_dedup.policies.base import Chain, Policy
from airflow_sf_dedup.policies.by_confidence import ByConfidence
from airflow_sf_dedup.policies.by_rule import ByRule
from airflow_sf_dedup.policies.by_sobject import BySobject
from airflow_sf_dedup.policies.link import Link
from airflow_sf_dedup.policies.retry_stale_rule import RetryStaleRule
from airflow_sf_dedup.policies.save_anyway import SaveAnyway
from airflow_sf_dedup.policies.skip import Skip
from airflow_sf_dedup.policies.undelete import Undelete
from airflow_sf_dedup.policies.update_existing import UpdateExisting
from airflow_sf_dedup.policies.update_other import UpdateOther

POLICIES: Mapping[str, Callable[..., Policy]] = {
    policy.name: policy
    for policy in (
        AskReviewer,
        ByConfidence,
        ByRule,
        BySobject,
        Link,
        RetryStaleRule,
        SaveAnyway,
        Skip,
        Undelete,
        UpdateExisting,
        UpdateOther,
    )
}


def read_policy(spelling: object) -> Chain:
    """The chain of policies that any of the spellings stands for.

    :raises SettingError: it cannot be read; the message says what can.
    """
    policies = tuple(_read(spelling))
    if not policies:
        raise _unreadable(spelling, "it names no policy")
    return Chain(policies)


def _read(spelling: object) -> Iterator[Policy]:
    if isinstance(spelling, Chain):
        yield from spelling.policies
    elif isinstance(spelling, str):
        yield from _read_string(spelling)
    elif isinstance(spelling, Mapping):
        for name, arguments in spelling.items():
            yield _make(spelling, name, arguments)
    elif isinstance(spelling, Sequence) and not isinstance(spelling, bytes):
        for part in spelling:
            yield from _read(part)
    elif isinstance(spelling, Policy) and not isinstance(spelling, type):
        yield spelling
    else:
        raise _unreadable(spelling, f"a {type(spelling).__name__} is no policy")


def _read_string(spelling: str) -> Iterator[Policy]:
    try:
        tree = ast.parse(spelling.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise _unreadable(spelling, "it is not of the form `policy | policy(option=value)`") from None
    yield from _read_node(spelling, tree)


def _read_node(spelling: str, node: ast.expr) -> Iterator[Policy]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from _read_node(spelling, node.left)
        yield from _read_node(spelling, node.right)
    elif isinstance(node, ast.Name):
        yield _make(spelling, node.id, None)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        yield _make(spelling, node.func.id, _options(spelling, node))
    else:
        raise _unreadable(spelling, "it is not of the form `policy | policy(option=value)`")


def _options(spelling: str, call: ast.Call) -> object:
    """What stands in a policy's brackets: keywords, or the one mapping of a combinator."""
    try:
        if call.args and not call.keywords:
            [mapping] = call.args
            return ast.literal_eval(mapping)
        if not call.args:
            return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (ValueError, TypeError):
        raise _unreadable(spelling, "an option is not a plain value") from None
    raise _unreadable(spelling, "it is not of the form `policy | policy(option=value)`")


def _make(spelling: object, name: object, options: object) -> Policy:
    make = POLICIES.get(name) if isinstance(name, str) else None
    if make is None:
        raise _unreadable(spelling, f"there is no policy {name!r}")
    if getattr(make, "takes_mapping", False):
        return make(options)
    if options is not None and not isinstance(options, Mapping):
        raise _unreadable(spelling, f"the options of {name} are not a mapping")
    try:
        return make(**(options or {}))
    except TypeError:
        raise _unreadable(spelling, f"{name} has no such options: {listed(options or ())}") from None


def _unreadable(spelling: object, why: str) -> SettingError:
    return SettingError(
        f"on_duplicate={spelling!r} cannot be read: {why}. Known policies: {', '.join(sorted(POLICIES))}; "
        'combine them as "update_existing(min_confidence=90) | ask_reviewer", '
        "as a list, or as objects from airflow_sf_dedup.policies",
        setting="on_duplicate",
    )
