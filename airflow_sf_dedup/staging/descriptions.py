"""Other sObjects that a load has to know, described by the first of its tasks and kept beside its rows.

A description is there to spare calls: one that cannot be read or kept is asked for anew, and no load fails for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.files import writing
from airflow_sf_dedup.staging.sealed import read_sealed, seal
from airflow_sf_dedup.staging.staged_load import NO_MANIFEST

_log = logging.getLogger(__name__)

_NOT_THERE = (*NO_MANIFEST, SettingError, OSError)


@dataclass
class Descriptions:
    """What is known of other sObjects, by name in any case.

    :ivar folder: of the load.
    :ivar describe: one call; what it raises is not kept.
    """

    folder: str
    describe: Callable[[str], SObject]
    _known: dict[str, SObject] = field(default_factory=dict, init=False)

    def __call__(self, name: str) -> SObject:
        """The sObject, asked for at most once."""
        known = self._known.get(name.lower()) or self._kept(name)
        if known is None:
            known = self.describe(name)
            keep_description(self.folder, known)
        self._known[name.lower()] = known
        return known

    def _kept(self, name: str) -> SObject | None:
        # What is no API name is no file either.
        if name.isidentifier():
            with suppress(*_NOT_THERE):
                return SObject.from_json(read_sealed(_path(self.folder, name)))
        return None


def keep_description(folder: str, sobject: SObject) -> None:
    """Leave it to the tasks to come.

    :param folder: of the load, once its rows are staged.
    """
    try:
        with writing.write_whole(_path(folder, sobject.name)) as file:
            file.write(seal(sobject.to_json()))
    except _NOT_THERE as error:
        _log.info("the description of %s is not kept, each task asks for it: %s", sobject.name, error)


def _path(folder: str, name: str) -> str:
    return f"{folder}/described-{name.lower()}.json"
