"""The promises of each port as test classes: a backend inherits one and says how to make itself.

For example, with pytest::

    from airflow_sf_dedup.testing.contracts.audit import AuditContract

    class TestMyAudit(AuditContract):
        def make_audit(self):
            return MyAudit(...)

Every test uses loads, keys and records of its own, so one database may serve them all. What talks to an org is asked
for the same promises over an emulated one, which ``contracts.orgs`` starts and arranges::

    from airflow_sf_dedup.testing.contracts.orgs import OnEmulator
    from airflow_sf_dedup.testing.contracts.write_apis import ChunkApiContract

    class TestMyApi(OnEmulator, ChunkApiContract):
        def make_api(self, org, *, repeatable=True):
            return MyApi(org.session, ...)
"""
