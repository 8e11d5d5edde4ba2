"""A load that is given a plan: whether it may go by it, and how it keeps to it."""
