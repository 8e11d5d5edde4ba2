"""What an erasure takes from the audit, from claims and from watermarks, and what it leaves."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import text

from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.database.engine import engine_for, reading, writing
from airflow_sf_dedup.database.upgrade import upgrade
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
from airflow_sf_dedup.locks.watermarks import SqlWatermarks
from airflow_sf_dedup.testing.contracts.audit import a_load, an_entry
from airflow_sf_dedup.testing.contracts.claims import a_claimant, a_scope
from tests.audit.sql.claims_kept import KNOWN, LONG_AGO, MARK, claimed


def test_an_erasure_is_in_the_journal_without_the_key(audit, engine):
    load = a_load()
    audit.open_load(load)
    key = f"person-{load.load_id}"
    audit.remember(load.load_id, [an_entry(1, key=key)])
    with writing(engine) as connection:
        connection.execute(
            text("INSERT INTO sf_dedup_record_claim VALUES ('o', :r, 'l', :k, :t, :t)"),
            {"r": load.load_id, "k": key, "t": "2026-01-01 00:00:00+00:00"},
        )
    audit.erase(key)
    with reading(engine) as connection:
        for table in ("entry", "match", "payload", "event", "record_claim"):
            rows = connection.execute(text(f"SELECT * FROM sf_dedup_{table}")).all()
            assert key not in repr(rows), table
        query = text("SELECT event FROM sf_dedup_event WHERE load_id = :load")
        assert list(connection.scalars(query, {"load": load.load_id})) == ["erased"]


def test_an_erased_value_leaves_the_sqlite_file(tmp_path):
    engine = engine_for(f"sqlite:///{tmp_path / 'audit.db'}")
    upgrade(engine)
    audit, load = SqlAudit(engine), a_load()
    audit.open_load(load)
    audit.remember(load.load_id, [an_entry(1, key="secret-key", values={"Email": "secret-mail"})])
    audit.erase("secret-key")
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"secret-" not in stored


def test_an_erased_key_is_forgotten_by_watermarks_and_expired_claims(audit, engine):
    load, scope = a_load(), a_scope()
    audit.open_load(load)
    audit.remember(load.load_id, [an_entry(1, key="Ada@Straße.example")])
    narrow = ["Ada@Straße.example", "ada@straße.example"]
    watermarks = SqlWatermarks(engine)
    watermarks.announce(scope, dict.fromkeys([*narrow, "b"], MARK))
    SqlKeyClaims(engine, clock=lambda: LONG_AGO).claim(scope, a_claimant(), ["ada@strasse.example", "b"])
    assert audit.erase("Ada@Straße.example") == 1
    assert watermarks.standing(scope, [*narrow, "b"]) == {"b": KNOWN}
    assert claimed(engine, scope) == 1


def test_a_claim_that_holds_survives_an_erasure(audit, engine):
    scope = a_scope()
    SqlKeyClaims(engine).claim(scope, a_claimant(), ["k"])
    audit.erase("k")
    assert SqlKeyClaims(engine).claim(scope, a_claimant(), ["k"]).refused.keys() == {"k"}


def test_an_erasure_keeps_to_its_sobject_and_field(audit, engine):
    scope = a_scope()
    other_sobject, other_field = replace(scope, sobject="Contact"), replace(scope, external_id_field="Other__c")
    watermarks = SqlWatermarks(engine)
    for each in (scope, other_sobject, other_field):
        watermarks.announce(each, {"k": MARK})
    audit.erase("K", sobject=scope.sobject, external_id_field=scope.external_id_field)
    assert [len(watermarks.standing(each, ["k"])) for each in (scope, other_sobject, other_field)] == [0, 1, 1]


def test_an_erasure_finds_its_loads_however_their_sobject_and_field_are_spelled(audit):
    load = a_load()
    audit.open_load(load)
    audit.remember(load.load_id, [an_entry(1, key="Spelled-1")])
    wanted = {"sobject": load.sobject.upper(), "external_id_field": load.external_id_field.lower()}
    assert audit.erase("Spelled-1", sobject="Nothing", external_id_field=None) == 0
    assert audit.erase("Spelled-1", **wanted) == 1
