"""Keeping freed memory for the next update, on Linux with glibc.

An update allocates and frees the same gigabytes every time. As glibc is set, each large tensor is mapped from the
kernel and given back when it is freed, so that the next update pays for every page anew: a seventh of its time at
16×16 on a CPU, a quarter at 50×50.
"""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # mallopt's names for what it sets


def keep_freed_memory(keep: bool = True) -> bool:
    """Let this process keep what it frees, up to the most it ever had; `False` undoes it.

    Memory that is allocated before stays as it is. Returns whether the C library can do this.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    settings = (
        {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 2**26}
        if keep
        else {_MMAP_MAX: 65536, _TRIM_THRESHOLD: 2**17, _TOP_PAD: 0}
    )
    return sum(mallopt(name, value) for name, value in settings.items()) == len(settings)
