"""Where do rows wait, and may that be a place on one machine? As Airflow's configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.files.paths import airflow_home

if TYPE_CHECKING:
    from airflow_sf_dedup.staging.area import StagingArea

#: Executors that run tasks on this machine, where a file can be shared by all of them.
_LOCAL_EXECUTORS = frozenset({"LocalExecutor", "SequentialExecutor"})


def staging_area(staging_path: str | None) -> StagingArea:
    """Where the rows of a load are staged.

    :param staging_path: where the load says so; ``None`` or blank: where the configuration does.
    :raises SettingError: a local folder under an executor that spreads tasks over machines.
    """
    from airflow_sf_dedup.staging.area import StagingArea

    base = staging_path or configured_staging_path()
    if "://" not in base or base.startswith("file://"):
        refuse_local_file_elsewhere("staging_path", "the staging folder")
    return StagingArea(base, work_path())


def configured_staging_path() -> str:
    """The folder or URL of ``[sf_dedup] staging_path``, by default below ``AIRFLOW_HOME``."""
    from airflow.sdk import conf

    return conf.get("sf_dedup", "staging_path", fallback="") or str(airflow_home() / "sf_dedup" / "staging")


def work_path() -> str | None:
    """The folder of ``[sf_dedup] work_path``; ``None``: below ``AIRFLOW_HOME``."""
    from airflow.sdk import conf

    return conf.get("sf_dedup", "work_path", fallback="") or None


def refuse_local_file_elsewhere(setting: str, what: str) -> None:
    """Refuse a file on this machine under an executor whose tasks run on other machines.

    :raises SettingError: names the setting to change.
    """
    from airflow.sdk import conf

    executors = (conf.get("core", "executor", fallback="") or "LocalExecutor").split(",")
    elsewhere = [name.strip() for name in executors if not _is_local(name)]
    if elsewhere:
        raise SettingError(
            f"{what} is a file on one machine, but {elsewhere[0]} runs tasks on others: set {setting}",
            setting=setting,
        )


def _is_local(executor: str) -> bool:
    """``LocalExecutor``, also with its module path, or with a team or alias before or behind a colon."""
    return any(part.rpartition(".")[2].strip() in _LOCAL_EXECUTORS for part in executor.split(":"))
