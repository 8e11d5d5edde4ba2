"""Who wants which duplicate rules switched off, and how were they before? In the audit's database.

What is written here is committed before the first rule is changed, so that whatever dies meanwhile, somebody else can
put back what there was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Engine, delete, select, tuple_

from airflow_sf_dedup.database.bulk import insert_into
from airflow_sf_dedup.database.contention import again
from airflow_sf_dedup.database.engine import reading, writing
from airflow_sf_dedup.database.tables import rule_switch


class HoldState(StrEnum):
    """How far a hold has come."""

    #: Written down; the rule may be off or not.
    TAKEN = "taken"
    #: The rule was seen inactive.
    OFF = "off"
    #: The rule was switched on again; calls may not meet it yet.
    ON = "on"
    #: Somebody changed the rule while it was off: it is theirs to switch it on.
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class RuleHold:
    """One load wants one rule to be off."""

    #: 18 characters.
    org_id: str
    sobject: str
    #: DeveloperName.
    rule: str
    #: The task that switches it off, with its Dag and run.
    holder: str
    #: The connection by which it was switched off.
    conn_id: str
    #: Before the first load switched it off.
    was_active: bool
    #: Its elements in the Metadata API as they were then.
    definition: str
    #: Whether a probe met it while it was on, so that a probe can tell whether it is off.
    seen_running: bool
    state: HoldState
    taken_at: datetime
    #: When the rule was last switched, or seen to be as it is wanted.
    changed_at: datetime
    #: From then on the hold counts no more, and whoever comes by puts the rule back.
    expires_at: datetime

    @property
    def full_name(self) -> str:
        """As in ``Lead.Leads_by_mail``."""
        return f"{self.sobject}.{self.rule}"


def sobject_of(hold: RuleHold) -> str:
    """By which holds are sorted: the rules of one sObject are switched together."""
    return hold.sobject


class SqlRuleHolds:
    """Keeps holds in ``sf_dedup_rule_switch``. Whoever changes those of an sObject has claimed its rules.

    :param engine: from :func:`airflow_sf_dedup.database.engine.engine_for`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def of_rules(self, org_id: str, sobject: str) -> list[RuleHold]:
        """All holds of the rules of an sObject."""
        return self._read(rule_switch.c.org_id == org_id, rule_switch.c.sobject == sobject)

    def of_holder(self, holder: str) -> list[RuleHold]:
        """All holds of a holder."""
        return self._read(rule_switch.c.holder == holder)

    def all(self) -> list[RuleHold]:
        """Of all orgs, for people."""
        return self._read()

    def put(self, holds: Iterable[RuleHold]) -> None:
        """Write these, in place of what there is of the same rule and holder; committed when the call returns."""
        if rows := [asdict(hold) for hold in holds]:
            again()(self._put, rows)

    def forget(self, holds: Iterable[RuleHold]) -> None:
        """These are over."""
        if names := [_identity(hold) for hold in holds]:
            again()(self._forget, names)

    def _put(self, rows: list[dict[str, Any]]) -> None:
        insertion = insert_into(self.engine.dialect, rule_switch)
        identity = [column.name for column in rule_switch.primary_key]
        changes = {name: insertion.excluded[name] for name in rows[0] if name not in identity}
        with writing(self.engine) as connection:
            connection.execute(insertion.on_conflict_do_update(index_elements=identity, set_=changes), rows)

    def _forget(self, names: list[tuple[str, ...]]) -> None:
        identity = tuple_(*rule_switch.primary_key.columns)
        with writing(self.engine) as connection:
            connection.execute(delete(rule_switch).where(identity.in_(names)))

    def _read(self, *conditions: ColumnElement[bool]) -> list[RuleHold]:
        columns = [rule_switch.c[each.name] for each in fields(RuleHold)]
        query = select(*columns).where(*conditions).order_by(*rule_switch.primary_key.columns)
        with reading(self.engine) as connection:
            return [_hold(row._asdict()) for row in connection.execute(query)]


def _hold(row: dict[str, Any]) -> RuleHold:
    return RuleHold(**{**row, "state": HoldState(row["state"])})


def _identity(hold: RuleHold) -> tuple[str, ...]:
    return hold.org_id, hold.sobject, hold.rule, hold.holder
