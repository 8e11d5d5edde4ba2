"""Which duplicate rules does the org have now, and which do its saves run?

The two differ for a while after a change: servers of the org that have a rule in their cache run it as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from airflow_sf_dedup.emulator.errors import SettingError
from airflow_sf_dedup.emulator.rules.book import MOST_ACTIVE, RuleBook
from airflow_sf_dedup.emulator.rules.duplicate_rules import DuplicateRule
from airflow_sf_dedup.emulator.state.in_progress import current

_SPREAD = 2654435761


@dataclass(frozen=True, slots=True)
class _Cached:
    """The rules before a change, for those who have not heard of it."""

    book: RuleBook
    until: datetime
    #: The share of calls that come to a server which has not heard of it.
    share: float

    def met_by(self, call: int) -> bool:
        """The same for every row of one call."""
        return (call * _SPREAD) % 2**32 < self.share * 2**32


class LiveRules:
    """:param clock: gives the current moment.
    :param changed: is called with the new book after each change.
    """

    def __init__(self, book: RuleBook, *, clock: Callable[[], datetime], changed: Callable[[RuleBook], None]) -> None:
        self.book = book
        self._clock = clock
        self._changed = changed
        self._active: dict[str, tuple[DuplicateRule, ...]] = {}
        self._cached: _Cached | None = None

    def for_sobject(self, sobject: str) -> tuple[DuplicateRule, ...]:
        """The rules that a save runs."""
        if self._cached is not None:
            book = self._known_to_this_call(self._cached)
            if book is not self.book:
                return book.active(sobject)
        found = self._active.get(sobject)
        if found is None:
            found = self._active[sobject] = self.book.active(sobject)
        return found

    def change_rule(self, name: str, changes: Mapping[str, Any], *, stale_for: float = 0.0) -> None:
        """Changes attributes of a duplicate rule, for every call from now on.

        :param name: its developer name, or ``Lead.Lead_Email`` where several sobjects have one of that name.
        :param stale_for: seconds in which saves still run the rules as they were, as after a deployment.
        :raises SettingError: no such rule, or more active ones than an org may have.
        """
        rule = self.book.named(name)
        if rule is None:
            raise SettingError("rules", f"no rule {name!r}; there are: {', '.join(self.book.duplicate)}")
        book = self.book.with_rule(replace(rule, **changes))
        if len(book.active(rule.sobject)) > MOST_ACTIVE:
            raise SettingError(f"rules.{name}", f"more than {MOST_ACTIVE} active rules for {rule.sobject}")
        self.change(book, cached_for=stale_for)

    def _known_to_this_call(self, cached: _Cached) -> RuleBook:
        if self._clock() >= cached.until:
            self._cached = None
            return self.book
        return cached.book if cached.met_by(current().number) else self.book

    def change(self, book: RuleBook, *, cached_for: float = 0.0, share: float = 1.0) -> None:
        """Puts another book in place.

        :param cached_for: seconds for which ``share`` of the calls still run the rules as they were.
        """
        if cached_for and share:
            self._cached = _Cached(self.book, self._clock() + timedelta(seconds=cached_for), share)
        else:
            self._cached = None
        self.book = book
        self._active = {}
        self._changed(book)
