"""Ids by key. A key with one id, which is the usual, costs no container: an org has hundreds of thousands of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable


class Index:
    def __init__(self) -> None:
        self._ids: dict[Hashable, str | dict[str, None]] = {}

    @property
    def get(self) -> Callable[[Hashable], str | dict[str, None] | None]:
        """The ids under a key as they are kept: one id, several as the keys of a mapping, or None."""
        return self._ids.get

    def find(self, key: Hashable) -> Collection[str]:
        """The ids under ``key``, in the order in which they were added."""
        found = self._ids.get(key)
        if found is None:
            return ()
        return (found,) if isinstance(found, str) else found

    def add(self, key: Hashable, record_id: str) -> None:
        found = self._ids.setdefault(key, record_id)
        if isinstance(found, dict):
            found[record_id] = None
        elif found != record_id:
            self._ids[key] = {found: None, record_id: None}

    def remove(self, key: Hashable, record_id: str) -> None:
        found = self._ids.get(key)
        if isinstance(found, dict):
            found.pop(record_id, None)
            if not found:
                del self._ids[key]
        elif found == record_id:
            del self._ids[key]
