"""simple-salesforce's client, all of whose requests go through one session of ours."""

from __future__ import annotations

from typing import Any

from simple_salesforce.api import Salesforce


class OrgClient(Salesforce):
    """A ``simple_salesforce.Salesforce`` whose metadata API keeps to our session too.

    Left alone, it opens one of its own, which follows redirects with the session id and knows no time-out.
    """

    @property
    def mdapi(self) -> Any:
        """Creates, reads and deploys metadata."""
        api = super().mdapi
        api._client.transport.session = self.session
        return api
