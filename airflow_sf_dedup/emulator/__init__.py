"""A Salesforce org on your laptop: a real HTTP server with state, for tests and for trying things out.

``EmulatedOrg.start()`` runs one in a thread of this process, ``python -m airflow_sf_dedup.emulator`` in the
foreground. Nothing in it knows any particular client: what it answers follows Salesforce's documentation and
recorded answers.
"""

try:
    from airflow_sf_dedup.emulator.errors import OrgFileError, SettingError
    from airflow_sf_dedup.emulator.faults.switches import Fault
    from airflow_sf_dedup.emulator.server.running import EmulatedOrg
    from airflow_sf_dedup.emulator.state.org import Org
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"the emulator needs {missing.name}: pip install 'airflow-provider-sf-dedup[emulator]'", name=missing.name
    ) from missing

__all__ = ["EmulatedOrg", "Fault", "Org", "OrgFileError", "SettingError"]
