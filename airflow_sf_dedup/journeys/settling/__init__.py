"""Rows that a duplicate rule refused: name what blocked them, read it, decide, settle.

Each step stands alone, so that a decision can be planned without being carried out, and carried out later by a
person's verdict: ``naming`` asks Salesforce what blocked a row, ``cases`` reads the records, ``deciding`` asks the
policy, and one file for each decision carries it out.
"""
