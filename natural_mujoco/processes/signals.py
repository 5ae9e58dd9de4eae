"""Signals and the death of the parent: makes sure that children end when their parent is ended.

- `stop_on_signals`: TERM and HUP stop a command as Ctrl-C does.
- `follow_parent`: this process ends when its parent does.
- `leave_signals_to_parent`: makes INT, TERM and HUP have no effect in a child.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

PARENTS_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_PR_SET_PDEATHSIG = 1


class Stopped(KeyboardInterrupt):
    """TERM or HUP arrived. Code that handles Ctrl-C handles it too; `status` is the exit status for this signal."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.status = 128 + number


@contextlib.contextmanager
def stop_on_signals() -> Iterator[None]:
    """Inside, TERM and HUP raise `Stopped`, so that everything is cleaned up as after Ctrl-C.

    A signal that is ignored (`nohup`) stays ignored. Does nothing outside the main thread.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in PARENTS_SIGNALS:
            if number != signal.SIGINT and signal.getsignal(number) == signal.SIG_DFL:
                previous[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def follow_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """Sends this process signal `number` when process `parent`, which started it, ends.

    On Linux the kernel does this, even while native code holds the interpreter. The kernel watches the thread that
    started this process, not the parent process, so that thread must live as long as this process.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it ended before we could ask
            os.kill(os.getpid(), number)
    else:
        threading.Thread(target=_watch_parent, args=(parent, number), daemon=True).start()


def _watch_parent(parent: int, number: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), number)


def leave_signals_to_parent() -> None:
    """Makes INT, TERM and HUP, which a terminal or a batch system sends to a whole group, do nothing in this process.

    They get a handler that does nothing; programs that this process starts would inherit signals that are ignored.
    """
    for number in PARENTS_SIGNALS:
        signal.signal(number, lambda number, frame: None)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PARENTS_SIGNALS)
