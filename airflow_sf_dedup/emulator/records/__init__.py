"""Records, and what they may hold: the schema, values, where they are kept and how they are found."""
