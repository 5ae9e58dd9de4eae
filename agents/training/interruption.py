"""Ending a run from outside: the first Ctrl-C, TERM or HUP makes it save and stop; a second Ctrl-C ends it at once."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Any

from natural_mujoco.processes import follow_parent

FOLLOWED = "NATURAL_MUJOCO_FOLLOWED"
"""The environment variable by which a sweep tells its runs its process id."""


@contextlib.contextmanager
def stop_requested() -> Iterator[list[int]]:
    """A list that is empty until a signal asks the run to stop, whose number it then holds.

    A second Ctrl-C interrupts at once. TERM and HUP that were ignored (`nohup`) stay ignored. In threads other than the
    main one, signals are left to the caller.
    """
    received: list[int] = []

    def note(number: int, _: Any) -> None:
        received.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    numbers = [signal.SIGINT] + [
        number
        for name in ("SIGTERM", "SIGHUP")
        if (number := getattr(signal, name, None)) is not None and signal.getsignal(number) != signal.SIG_IGN
    ]
    previous: dict[signal.Signals, Any] = {}
    with contextlib.suppress(ValueError):  # not the main thread
        previous = {number: signal.signal(number, note) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def follow_sweep() -> bool:
    """If a sweep started this process, makes it stop as on TERM when the sweep ends; returns whether one did."""
    sweep = os.environ.pop(FOLLOWED, "")
    if sweep.isdigit():
        follow_parent(int(sweep), signal.SIGTERM)
    return bool(sweep)
