"""How well do the duplicate rules work? What became of the rows that they blocked, rule by rule."""
