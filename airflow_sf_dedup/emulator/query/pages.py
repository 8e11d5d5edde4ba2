"""The pages of an answer that is too long for one: what was found stays as it was, any page can be asked for again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.state.org import Org


class Written(Sequence[Any]):
    """Rows that are written when their page is read."""

    def __init__(self, records: list[Record], write: Callable[[Record], Any]) -> None:
        self._records = records
        self._write = write

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, at: int) -> Any: ...
    @overload
    def __getitem__(self, at: slice) -> list[Any]: ...
    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            return [self._write(record) for record in self._records[at]]
        return self._write(self._records[at])

    def __iter__(self) -> Iterator[Any]:
        return map(self._write, self._records)


def page(org: Org, root: str, rows: Sequence[Any], start: int, size: int, locator: str | None = None) -> dict[str, Any]:
    """The rows from ``start`` on, and where the next ones are.

    :param locator: under which the rows are kept, if they are already.
    """
    done = start + size >= len(rows)
    body: dict[str, Any] = {"totalSize": len(rows), "done": done}
    if not done:
        body["nextRecordsUrl"] = f"{root}/query/{locator or org.cursors.keep(rows)}-{start + size}"
    body["records"] = list(rows[start : start + size])
    return body


def kept(org: Org, locator: str) -> tuple[str, Sequence[Any], int]:
    """The name under which rows are kept, the rows, and where the page begins: ``01g…-2000``.

    :raises ApiError: INVALID_QUERY_LOCATOR.
    """
    name, _, start = locator.partition("-")
    rows = org.cursors.get(name)
    if not rows or not (start.isascii() and start.isdigit()) or not isinstance(rows[0], dict):
        raise ApiError("INVALID_QUERY_LOCATOR", "invalid query locator")
    if int(start[:12]) >= len(rows):
        raise ApiError("INVALID_QUERY_LOCATOR", "invalid query locator")
    return name, rows, int(start)
