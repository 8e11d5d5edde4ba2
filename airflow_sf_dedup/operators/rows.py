"""Rows on their way through an operator: never rendered, never stored, never shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from airflow.sdk import XComArg

from airflow_sf_dedup.core.wording import counted
from airflow_sf_dedup.errors import SettingError


class Rows(Sequence[Any]):
    """A list of rows that shows as ``<5000 rows>``.

    Airflow renders template fields with Jinja and keeps them in its metadata database, where every
    viewer of a Dag can read them. Customers' values must do neither.
    """

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = rows

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def __repr__(self) -> str:
        return f"<{counted(len(self), 'rows')}>"


def hidden(value: Any) -> Any:
    """Rows as :class:`Rows`; any other value as it is."""
    if isinstance(value, list | tuple):
        return Rows(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | Rows):
        return Rows(value[:])
    return value


def rows_of(records: Any) -> Iterable[Any]:
    """The rows of ``records``, in a form that can be read more than once.

    :raises SettingError: they are no rows; a file's name or one single row would look like some.
    """
    is_rows = isinstance(records, Iterable) and not isinstance(records, str | bytes | Mapping)
    if not is_rows:
        raise SettingError(
            f"records: expected a list of dicts, got {type(records).__name__}; a single row goes into a list, [row], "
            "a file into the source of SalesforcePartitionOperator",
            setting="records",
        )
    return list(records) if isinstance(records, Iterator) else records


class HidesRows:
    """Mixed into an operator, keeps rows out of its rendered fields.

    Rows come from an XCom, or are hidden when the operator is made; any other list in a template field,
    such as a policy written in YAML, is a setting and rendered as ever.
    """

    def render_template(self, content: Any, *args: Any, **kwargs: Any) -> Any:
        """Resolve XComs and templates as ever, but look into no row."""
        if isinstance(content, Rows):
            return content
        rendered = super().render_template(content, *args, **kwargs)  # type: ignore[misc]
        is_a_setting = isinstance(content, list | tuple) and not _has_references(content)
        return hidden(rendered) if not is_a_setting and _is_rows(rendered) else rendered


def _has_references(content: list[Any] | tuple[Any, ...]) -> bool:
    """Whether some of it is the output of other tasks."""
    return any(True for _ in XComArg.iter_xcom_references(content))


def _is_rows(value: Any) -> bool:
    if isinstance(value, str | bytes | Rows) or not isinstance(value, Sequence):
        return False
    return any(isinstance(item, Mapping) for item in value[:20])
