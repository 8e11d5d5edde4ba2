"""How rows get into the org: in calls of several chunks, until each has its outcome."""
