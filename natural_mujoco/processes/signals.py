"""Signals, and the end of a parent: whoever ends us ends our children.

- `stop_on_signals`: TERM and HUP unwind a command as Ctrl-C does.
- `follow_parent`: this process ends when its parent does.
- `leave_signals_to_parent`: what a child does about INT, TERM and HUP.
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
    """TERM or HUP arrived. Handled where Ctrl-C is; `status` is the exit status that tells a shell which it was."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.status = 128 + number


@contextlib.contextmanager
def stop_on_signals() -> Iterator[None]:
    """TERM and HUP raise `Stopped` inside, so that everything is put away as after Ctrl-C.

    A signal that is ignored (`nohup`) stays ignored. Elsewhere than in the main thread this does nothing.
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

    On Linux the kernel does it, even while native code holds the interpreter. It goes by the thread that started
    this process: that thread must live as long.
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
    """INT, TERM and HUP, which a terminal or a batch system sends to a whole group, do nothing in this process.

    They are not ignored, because programs that this process starts would inherit that.
    """
    for number in PARENTS_SIGNALS:
        signal.signal(number, lambda number, frame: None)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PARENTS_SIGNALS)
