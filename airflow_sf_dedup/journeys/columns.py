"""Can every column of the source be written, and to which field?

What a column of a file is called may be a customer's value: a file without a header line has its first row there. So a
message quotes a column only where the header is surely one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from airflow_sf_dedup.core.field_names import FieldName, field_named, nearest_fields
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.wording import any_of, counted, listed, nearest, shown
from airflow_sf_dedup.errors import PreflightError
from airflow_sf_dedup.sources.columns import Column, FieldColumn, ParentColumn, ParentsColumn
from airflow_sf_dedup.sources.headers import other_delimiter

#: From the name of an sObject to what the org says of it; asked once for each parent of a load.
#: Raises PreflightError: there is none that this user can see.
DescribesParent = Callable[[str], SObject]


def no_parents(sobject: str) -> SObject:
    """A :data:`DescribesParent` where nothing is known of parents: no column can name one by a field of it.

    :raises PreflightError: always.
    """
    raise PreflightError(f"source: nobody describes {sobject}", setting="source")


@dataclass(frozen=True, slots=True)
class Unwritable:
    """A column that cannot be written."""

    #: Completes a sentence that begins with its name.
    why: str
    #: Its name means nothing at all.
    unknown: bool = False


def check_columns(
    finder: ColumnFinder, columns: Iterable[str], *, order_column: str | None = None
) -> dict[str, Column]:
    """Where each source column goes.

    :param order_column: goes nowhere if it cannot be written.
    :raises PreflightError: says of every other column that cannot be written, why.
    """
    found = {name: finder.find(name) for name in columns}
    if order_column is not None and isinstance(found[order_column], Unwritable):
        del found[order_column]
    sent = {name: each for name, each in found.items() if not isinstance(each, Unwritable)}
    refused = {name: each for name, each in found.items() if isinstance(each, Unwritable)}
    _check_header(finder, found, sent)
    shared = _shared_fields(sent, finder.called)
    if refused or shared:
        names = listed(refused, between="; ", say=lambda name: finder.problem(name, refused[name]))
        raise _refused(finder.describe, "; ".join(filter(None, [names, listed(shared, between="; ")])))
    return sent


def _refused(describe: SObject, problems: str) -> PreflightError:
    return PreflightError(f"source: {describe.name} cannot take these columns: {problems}", setting="source")


def _check_header(finder: ColumnFinder, found: Mapping[str, Column | Unwritable], sent: Mapping[str, Column]) -> None:
    """Refuse what may be no header but the first row of a file without one."""
    unknown = sum(isinstance(each, Unwritable) and each.unknown for each in found.values())
    is_header = 2 * unknown < len(found) or bool(
        {column.field.name for column in sent.values()}.intersection(finder.key_rule.names)
    )
    if not unknown or is_header:
        return
    known = len(found) - unknown
    which = f"only {known:,}" if known else "none"
    raise PreflightError(
        f"source: {which} of the {counted(len(found), 'columns')} is a field of {finder.describe.name}, and none is "
        f"the key; is the first line a header with API names?{other_delimiter(tuple(found))}",
        setting="source",
    )


def _shared_fields(sent: Mapping[str, Column], called: Callable[[str], str]) -> list[str]:
    names: dict[str, list[str]] = {}
    for name, column in sent.items():
        names.setdefault(column.field.name, []).append(called(name))
    return [f"{listed(some, between=' and ')} are one field, {field}" for field, some in names.items() if len(some) > 1]


@dataclass(frozen=True, slots=True)
class ColumnFinder:
    """Finds the column that a name stands for, and asks the org whether it can be one.

    :param describe: the sObject of the load.
    :param key_rule: by which rows are told apart.
    :param parents: what the org says of parents that columns name.
    :param own_name: what the source itself calls a column, where it was renamed; whoever mends it looks for that.
    """

    describe: SObject
    key_rule: KeyRule
    parents: DescribesParent
    own_name: Callable[[str], str] = str

    def find(self, name: str) -> Column | Unwritable:
        """Where a column goes, or why it goes nowhere."""
        found = field_named(self.describe, name)
        if found is None:
            named = f"names no parent of {self.describe.name} by one field"
            return Unwritable(named if "." in name else "is no field that this user can see", unknown=True)
        field = found.field
        if field.type == "id":
            return Unwritable(f"is the record id, which a load by {self.key_rule.field.name} may not carry: remove it")
        if not (field.createable or field.updateable):
            return Unwritable("is read-only for this user (computed, system-written, or field-level security)")
        if found.parent_field is not None:
            return self._by_parent_field(name, found, found.parent_field)
        own = self.own_name(name)
        if found.names_parent:
            return ParentsColumn(own, field, self._parent_column if own == name else partial(self._parent_in, own))
        return FieldColumn(own, field)

    def problem(self, name: str, unwritable: Unwritable) -> str:
        """What a message says of a column that cannot be written."""
        near = nearest_fields(self.describe, name) if unwritable.unknown else ""
        return f"{self.called(name)} {unwritable.why}{near}"

    def called(self, name: str) -> str:
        """What a message calls a column that may have to be mended in the source or in ``rename``."""
        own = self.own_name(name)
        return shown(name) if own == name else f"{shown(name)} (in the source: {shown(own)})"

    def _parent_column(self, spelled: str) -> ParentColumn:
        """The column that a mapping in a row amounts to.

        :raises PreflightError: no parent can be named so.
        """
        found = self.find(spelled)
        if isinstance(found, Unwritable):
            raise _refused(self.describe, self.problem(spelled, found))
        assert isinstance(found, ParentColumn)  # noqa: S101 - a dot names a parent
        return found

    def _parent_in(self, own: str, spelled: str) -> ParentColumn:
        """Likewise, in a column that the source itself calls so."""
        return replace(self._parent_column(spelled), name=f"{own}.{spelled.rpartition('.')[2]}")

    def _by_parent_field(self, name: str, found: FieldName, parent_field: str) -> ParentColumn | Unwritable:
        targets = found.field.reference_to
        wanted = found.parent_sobject
        if wanted is None and len(targets) > 1:
            example = f"{targets[0]}:{found.field.relationship_name}.{parent_field}"
            return Unwritable(f"may be of {any_of(targets)}: say which, as in {example}")
        target = next((each for each in targets if wanted is None or each.lower() == wanted.lower()), None)
        if target is None:
            return Unwritable(
                f"names the parent {shown(str(wanted))}, {found.field.name} takes {any_of(targets) or 'none'}"
            )
        if parent_field.lower() == "id":
            return Unwritable(f"names a parent by its id: call the column {found.field.name}")
        key = self._parent_key(target, parent_field)
        if isinstance(key, Unwritable):
            return key
        return ParentColumn(self.own_name(name), found.field, key, target if wanted else None)

    def _parent_key(self, sobject: str, name: str) -> Field | Unwritable:
        """The parent's field of that name, if it can name a parent.

        Salesforce takes External IDs and fields with ``idLookup`` (SOAP API guide, ``upsert()``: "External IDs of
        related records"); any other is refused row by row.
        """
        try:
            parent = self.describe if sobject == self.describe.name else self.parents(sobject)
        except PreflightError:
            return Unwritable(f"names the parent {sobject}, which this user cannot see")
        field = parent.field(name)
        keys = [each.name for each in parent.fields if each.names_a_parent]
        if field is None:
            return Unwritable(
                f"names {sobject} by {shown(name)}, which is no field that this user can see{nearest(name, keys)}"
            )
        if not field.names_a_parent:
            no_key = f"{field.name}, which is no External ID (nor has idLookup)"
            return Unwritable(f"names {sobject} by {no_key}; take one of: {listed(keys)}")
        return field
