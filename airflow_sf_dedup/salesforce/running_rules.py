"""Which duplicate rules do calls meet now? Answers the port ``RunningRules`` by a probe that writes nothing.

``findDuplicates()`` answers with a result for each rule that ran, also where it finds nothing (SOAP guide,
"DuplicateResult"): so a record that nobody has tells which rules are in force for this user.
"""

from __future__ import annotations

from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.errors import RequestRefusedError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.http.answers import root_of
from airflow_sf_dedup.salesforce.wire import soap
from airflow_sf_dedup.salesforce.writing_nothing import NO_RULE, writing_nothing

#: Of sObjects that are persons; of others it is ``Name``.
_SURNAME = frozenset({"lead", "contact"})
_NOBODY = "Nobody has this name 7f3a91"


class ProbedRules:
    """A :class:`~airflow_sf_dedup.salesforce.ports.RunningRules` by SOAP ``findDuplicates()``, one call each time."""

    def __init__(self, session: SalesforceSession) -> None:
        self._session = session

    def running(self, sobject: str) -> frozenset[str]:
        """Those that ran in this call."""
        name = "LastName" if sobject.lower() in _SURNAME else "Name"
        body = soap.find_duplicates_body([Record(1, "", {name: _NOBODY}, "")], SObject(sobject, ()))
        try:
            with writing_nothing():
                found: frozenset[str] = self._session.soap(
                    lambda token: soap.envelope(token, "", body),
                    action="findDuplicates",
                    read=lambda answer: soap.rules_run(root_of(answer)),
                )
            return found
        except RequestRefusedError as error:
            if error.code != NO_RULE:
                raise
            return frozenset()
