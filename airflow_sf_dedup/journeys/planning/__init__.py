"""Look before you write: what a load would do with its rows, by its own policies and decisions.

``standing`` asks who holds the rows' keys, ``foresight`` asks the rules and lets the policy decide, ``foreseen`` tells
what a decision would do, ``written`` remembers what rows of the plan would have left in the org, ``twins_met`` says
which rows may meet a twin there, and ``no_writes`` is the org that a plan has: one that cannot be written to.
"""
