"""What the APIs of the org have in common: routes, versions, envelopes, documents. No API is known here."""
