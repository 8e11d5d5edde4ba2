"""``make demo``: the morning load, on this machine, with the truth known beforehand."""
