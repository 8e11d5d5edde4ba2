"""Which records may a revert write now? Those that no load, and no other revert, has in flight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.sobjects import Field
from airflow_sf_dedup.journeys.reverting.fields import ChangedField
from airflow_sf_dedup.locks.base import Claimant, KeyClaims, KeyScope, RecordClaim, RecordClaims

#: Folds as broadly as claims do; that is the same for every field.
_ANY_KEY = KeyRule(Field(name="", label="", type="string"))


@dataclass(frozen=True)
class RevertClaims:
    """Claims records, against loads that match them, and the keys of rows, against loads that find them by key.

    Another try of the same revert has the same claims.
    """

    load: Load
    #: The id of the revert is its token.
    claimant: Claimant
    records: RecordClaims
    keys: KeyClaims

    def claimed(self, fields: Sequence[ChangedField]) -> frozenset[str]:
        """The records among those of the fields that are ours now."""
        refused = self._refused_keys(fields)
        ids = dict.fromkeys(field.record_id for field in fields if not field.keys & refused)
        wish = f"revert:{self.claimant.token}"
        wishes = [RecordClaim(record_id, wish) for record_id in ids]
        holders = self.records.claim(self.claimant.token, self.load.org_id, wishes) if wishes else {}
        return frozenset(record_id for record_id, holder in holders.items() if holder == wish)

    def _refused_keys(self, fields: Sequence[ChangedField]) -> frozenset[str]:
        folded = {key: _ANY_KEY.partition_fold(key) for field in fields for key in field.keys}
        grant = self.keys.claim(self._scope, self.claimant, sorted(set(folded.values())))
        return frozenset(key for key, fold in folded.items() if fold in grant.refused)

    def keep(self) -> None:
        """Let the claims on keys hold on; asked before each call."""
        self.keys.renew(self.claimant)

    def release(self, fields: Iterable[ChangedField], in_doubt: frozenset[str]) -> None:
        """Give up what is claimed, but for records of which a call may still be under way: those end by themselves,
        unless another try of the revert needs them.

        Claims on records end rather than vanish: a load that read a record before it was put back learns of it.
        """
        sure = [field for field in fields if field.record_id not in in_doubt]
        keys = sorted({_ANY_KEY.partition_fold(key) for field in sure for key in field.keys})
        self.keys.release(self._scope, self.claimant, keys)
        if in_doubt:
            ids = sorted({field.record_id for field in sure})
            self.records.release(self.claimant.token, self.load.org_id, ids)
        else:
            self.records.release_load(self.claimant.token, self.load.org_id)

    @property
    def _scope(self) -> KeyScope:
        return KeyScope(self.load.org_id, self.load.sobject, self.load.external_id_field)
