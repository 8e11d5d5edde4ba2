"""What a query or a search finds. No wire format is known here."""
