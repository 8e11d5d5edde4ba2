"""The org: all that changes while it lives, and how changes happen together, in time, or not at all."""
