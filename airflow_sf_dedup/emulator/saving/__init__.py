"""What a save, a deletion, a merge or a conversion does to records. No wire format is known here."""
