"""Which value of a record does a name in a query mean?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.query.functions import DATE_FUNCTIONS, OF_DATETIMES, SHOWN, formatted
from airflow_sf_dedup.emulator.records.addresses import value_of
from airflow_sf_dedup.emulator.records.schema import TEXT_KINDS, Field, Sobject
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.soql.pointing import refusal
from airflow_sf_dedup.emulator.soql.tree import Expression, Function, Path, Query
from airflow_sf_dedup.emulator.state.org import Org

Getter = Callable[[Any], Any]

_MOST_STEPS = 5
#: What every target of a polymorphic relationship is asked for: the fields of the sobject Name.
_NAME = "Name"
_NAME_FIELDS = {
    name.lower(): Field(name, name, kind, 255)
    for name, kind in (
        ("Id", "id"),
        ("Name", "string"),
        ("Type", "picklist"),
        ("FirstName", "string"),
        ("LastName", "string"),
        ("Alias", "string"),
        ("Email", "email"),
        ("Phone", "phone"),
        ("Title", "string"),
        ("Username", "string"),
        ("IsActive", "boolean"),
        ("RecordTypeId", "reference"),
        ("ProfileId", "reference"),
        ("UserRoleId", "reference"),
    )
}


@dataclass(frozen=True, slots=True)
class Step:
    """From a record to its parent."""

    name: str
    get: Callable[[Record], Record | None]
    #: The parent's type, unless that is up to the parent's id.
    sobject: Sobject | None
    #: The field that holds the parent's id.
    reference: str


@dataclass(frozen=True, slots=True)
class Column:
    #: Canonical names: ``("Account", "Name")``.
    names: tuple[str, ...]
    field: Field
    #: From the record that the query is about.
    get: Getter
    #: From the record at the end of the steps.
    own: Getter
    steps: tuple[Step, ...] = ()
    #: The function that is applied to the field, in upper case.
    function: str = ""
    #: The field of the record itself, if the column is no more than that.
    plain_name: str | None = None

    @property
    def key(self) -> tuple[str, tuple[str, ...]]:
        return self.function, self.names

    @property
    def folded(self) -> bool:
        """Whether text is compared without its case (SOQL reference, "Comparison Operators")."""
        field = self.field
        return field.kind in TEXT_KINDS and not (field.unique and field.case_sensitive)


class Names:
    """The names that a query can use.

    :param query: whose aliases count, and whose text errors point into.
    """

    def __init__(self, org: Org, sobject: Sobject, query: Query) -> None:
        self.org = org
        self.sobject = sobject
        self.text = query.text
        self._aliases = {sobject.name.lower(): (), **dict(query.aliases)}
        self._columns: dict[Expression, Column] = {}

    def column(self, expression: Expression) -> Column:
        """:raises ApiError: INVALID_FIELD, or MALFORMED_QUERY for a function that cannot stand here."""
        if expression not in self._columns:
            found = self._path(expression) if isinstance(expression, Path) else self._function(expression)
            self._columns[expression] = found
        return self._columns[expression]

    # --- functions ---

    def _function(self, function: Function) -> Column:
        if function.argument is None or not (function.name in DATE_FUNCTIONS or function.name in SHOWN):
            raise refusal(self.text, function.position, f"unexpected token: '{function.text.partition('(')[0]}'")
        column = self.column(_without_time_zone(function.argument))
        if function.name in DATE_FUNCTIONS:
            return self._date_function(function, column)
        return _shown(function, column)

    def _date_function(self, function: Function, column: Column) -> Column:
        kinds = ("datetime",) if function.name in OF_DATETIMES else ("date", "datetime")
        if column.field.kind not in kinds or column.function:
            message = f"field {column.names[-1]} does not support date function {function.name}"
            raise refusal(self.text, function.position, message)
        kind, change = DATE_FUNCTIONS[function.name]
        return _applied(function.name, Field(column.names[-1], column.field.label, kind), column, change)

    # --- paths ---

    def _path(self, path: Path) -> Column:
        names = path.names
        prefix = self._aliases.get(names[0].lower()) if len(names) > 1 else None
        if prefix is not None:
            names = (*prefix, *names[1:])
        *relationships, name = names
        steps, sobject = self._steps(path, relationships)
        field = self._field(path, steps, sobject, name)
        own = self._own(steps, field)
        whole = (*(step.name for step in steps), field.name)
        return Column(whole, field, _after(steps, own), own, steps, plain_name=None if steps else field.name)

    def steps(self, path: Path) -> tuple[Step, ...]:
        """A path that ends at a relationship."""
        return self._steps(path, list(path.names))[0]

    def name_column(self, path: Path) -> Column:
        """A field that every target of a polymorphic relationship has, from the target itself."""
        field = _NAME_FIELDS.get(path.names[-1].lower())
        if field is None or len(path.names) > 1:
            raise no_such_column(self.text, path, str(path), _NAME)
        own = self._of_name(field)
        return Column((field.name,), field, own, own)

    def _steps(self, path: Path, relationships: list[str]) -> tuple[tuple[Step, ...], Sobject | None]:
        if len(relationships) > _MOST_STEPS:
            message = f"SOQL relationship path '{path}' is more than {_MOST_STEPS} levels deep"
            raise refusal(self.text, path.position, message, code="INVALID_FIELD")
        steps: list[Step] = []
        sobject: Sobject | None = self.sobject
        for name in relationships:
            reference = sobject.by_relationship.get(name.lower()) if sobject else None
            if reference is None or not reference.reference_to:
                raise self._no_relationship(path, name)
            targets = reference.reference_to
            sobject = self.org.schema.sobjects[targets[0]] if len(targets) == 1 else None
            parent_of = _parent_of(self.org, reference.name)
            steps.append(Step(reference.relationship_name or name, parent_of, sobject, reference.name))
        return tuple(steps), sobject

    def _field(self, path: Path, steps: tuple[Step, ...], sobject: Sobject | None, name: str) -> Field:
        found = sobject.find(name) if sobject else _NAME_FIELDS.get(name.lower())
        if found is None and steps and steps[-1].name == "Owner" and name.lower() == "type":
            found = _NAME_FIELDS["type"]
        if found is None:
            raise no_such_column(self.text, path, name, sobject.name if sobject else _NAME)
        return found

    def _own(self, steps: tuple[Step, ...], field: Field) -> Getter:
        return self._of_name(field) if steps else _plain(field)

    def _of_name(self, field: Field) -> Getter:
        by_prefix = self.org.schema.by_prefix
        if field is _NAME_FIELDS["type"]:
            return lambda record: by_prefix[record["Id"][:3]].name
        if field is _NAME_FIELDS["name"]:
            named = {prefix: sobject.name_field for prefix, sobject in by_prefix.items()}
            return lambda record: record.get(named[record["Id"][:3]])
        return _plain(field)

    def _no_relationship(self, path: Path, name: str) -> ApiError:
        message = (
            f"Didn't understand relationship '{name}' in field path. If you are attempting to use a custom "
            "relationship, be sure to append the '__r' after the custom relationship name. Please reference "
            "your WSDL or the describe call for the appropriate names."
        )
        return refusal(self.text, path.position, message, code="INVALID_FIELD")


def no_such_column(text: str, path: Path, name: str, sobject: str) -> ApiError:
    message = (
        f"No such column '{name}' on entity '{sobject}'. If you are attempting to use a custom field, be sure to "
        "append the '__c' after the custom field name. Please reference your WSDL or the describe call for the "
        "appropriate names."
    )
    return refusal(text, path.position, message, code="INVALID_FIELD")


def no_such_sobject(query: Query) -> ApiError:
    return no_such_sobject_named(query.text, query.sobject)


def no_such_sobject_named(text: str, path: Path) -> ApiError:
    message = (
        f"sObject type '{path}' is not supported. If you are attempting to use a custom object, be sure to "
        "append the '__c' after the entity name. Please reference your WSDL or the describe call for the "
        "appropriate names."
    )
    return refusal(text, path.position, message, code="INVALID_TYPE")


def _without_time_zone(expression: Expression) -> Expression:
    """The org's time zone is UTC, so that ``convertTimezone()`` changes nothing."""
    if isinstance(expression, Function) and expression.name == "CONVERTTIMEZONE" and expression.argument is not None:
        return expression.argument
    return expression


def _shown(function: Function, column: Column) -> Column:
    if function.name != "FORMAT":
        return replace(column, function=function.name)
    return _applied("FORMAT", Field(column.names[-1], column.field.label, "string"), column, None)


def _applied(name: str, field: Field, column: Column, change: Callable[[str], Any] | None) -> Column:
    """The column of a function's results; without ``change`` the formatted ones."""
    apply = change or (lambda value: formatted(column.field, value))
    get, own = _changed(column.get, apply), _changed(column.own, apply)
    return Column(column.names, field, get, own, column.steps, name)


def _changed(get: Getter, change: Callable[[Any], Any]) -> Getter:
    def read(record: Record) -> Any:
        value = get(record)
        return None if value is None else change(value)

    return read


def _plain(field: Field) -> Getter:
    if field.parts:
        return lambda record: value_of(field, record)
    name = field.name
    return lambda record: record.get(name)


def _parent_of(org: Org, reference: str) -> Callable[[Record], Record | None]:
    find = org.record

    def parent(record: Record) -> Record | None:
        parent_id = record.get(reference)
        return find(parent_id) if parent_id else None

    return parent


def _after(steps: tuple[Step, ...], own: Getter) -> Getter:
    if not steps:
        return own
    first, rest = steps[0].get, _after(steps[1:], own)

    def read(record: Record) -> Any:
        parent = first(record)
        return None if parent is None else rest(parent)

    return read
