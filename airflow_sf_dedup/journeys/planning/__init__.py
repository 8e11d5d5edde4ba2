"""Look before you write: what a load would do with its rows, by its own policies and decisions.

``standing`` asks who holds the rows' keys, ``foresight`` asks the rules and lets the policy decide, ``foreseen`` tells
what a decision would do, and ``no_writes`` is the org that a plan has: one that cannot be written to.
"""
