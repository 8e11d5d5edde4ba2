"""What is known of a query without its rows: its columns (``columns=true``) and how it would be run (``explain=…``)."""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.emulator.query.columns import Column
from airflow_sf_dedup.emulator.query.layout import Children, Leaf, Node, Parent
from airflow_sf_dedup.emulator.query.querying import Prepared
from airflow_sf_dedup.emulator.records.schema import NUMBER_KINDS, TEXT_KINDS, Field
from airflow_sf_dedup.emulator.soql.tree import Both, Compare, Condition, In, Path

_APEX_TYPES = {
    "boolean": "Boolean",
    "int": "Integer",
    "double": "Double",
    "currency": "Decimal",
    "percent": "Decimal",
    "date": "Date",
    "datetime": "Datetime",
    "time": "Time",
    "id": "Id",
    "reference": "Id",
}


def columns(prepared: Prepared) -> dict[str, Any]:
    groups = prepared.groups
    if groups is None:
        found = [_node(node) for node in prepared.columns]
    else:
        found = [_grouped(name, column) for name, column in groups.selected]
    return {
        "columnMetadata": found,
        "entityName": prepared.sobject.name,
        "groupBy": prepared.query.group_by is not None,
        "idSelected": any(isinstance(node, Leaf) and node.name == "Id" for node in prepared.columns),
        "keyPrefix": prepared.sobject.key_prefix,
    }


def _node(node: Node) -> dict[str, Any]:
    if isinstance(node, Leaf):
        return _value(node.name, node.column.field)
    nodes = node.nodes if isinstance(node, Parent | Children) else node.otherwise
    found = _blank(node.name) | {"joinColumns": [_node(each) for each in nodes]}
    if isinstance(node, Parent):
        return found | {"foreignKeyName": node.reference}
    return found | {"aggregate": isinstance(node, Children)}


def _grouped(name: str, column: Column) -> dict[str, Any]:
    if not column.function:
        return _value(name, column.field)
    function = f"{column.function.lower()}({column.names[-1]})"
    numeric = column.field.kind in NUMBER_KINDS
    return _blank(name) | {"aggregate": True, "displayName": function, "numberType": numeric}


def _value(name: str, field: Field) -> dict[str, Any]:
    return _blank(name) | {
        "apexType": _APEX_TYPES.get(field.kind, "String"),
        "booleanType": field.kind == "boolean",
        "custom": field.custom,
        "insertable": field.createable,
        "numberType": field.kind in NUMBER_KINDS,
        "textType": field.kind in TEXT_KINDS,
        "updatable": field.updateable,
    }


def _blank(name: str) -> dict[str, Any]:
    return {
        "aggregate": False,
        "apexType": None,
        "booleanType": False,
        "columnName": name,
        "custom": False,
        "displayName": name,
        "foreignKeyName": None,
        "insertable": False,
        "joinColumns": [],
        "numberType": False,
        "textType": False,
        "updatable": False,
    }


def plans(prepared: Prepared) -> dict[str, Any]:
    """How the query would be run: by an index, or through all records."""
    where = prepared.query.where
    table = prepared.org.table(prepared.sobject.name)
    every = sum(1 for _ in table.all())
    indexed = prepared.candidates.indexed(where)
    found = sum(1 for _ in prepared.matching())
    plan = {
        "cardinality": found,
        "fields": list(dict.fromkeys(_fields(where))) if indexed else [],
        "leadingOperationType": "Index" if indexed else "TableScan",
        "notes": [
            {
                "description": "Not considering filter for optimization because unindexed",
                "fields": ["IsDeleted"],
                "tableEnumOrId": prepared.sobject.name,
            }
        ],
        "relativeCost": round(found / max(every, 1), 3) if indexed else 1.0,
        "sobjectCardinality": every,
        "sobjectType": prepared.sobject.name,
    }
    return {"plans": [plan], "sourceQuery": prepared.query.text}


def _fields(condition: Condition | None) -> list[str]:
    if isinstance(condition, Both):
        return [name for each in condition.conditions for name in _fields(each)]
    if isinstance(condition, Compare | In) and isinstance(condition.left, Path):
        return [str(condition.left)]
    return []
