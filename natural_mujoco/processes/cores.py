"""How many processes are worth starting.

- `usable_cores`: the cores that this process may run on.
"""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Number of cores that this process may run on (by its affinity, where the system has one); at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
