"""Prepares clips in the background before they are asked for, on cores that are free.

It starts when a clip is asked for that is not prepared, and follows the order in which the next clips will be needed.
It ends when all are prepared, when the environment is closed or the library garbage collected, or at exit. Only one
process on a machine does this for a shelf and size at a time, at low priority. `NATURAL_MUJOCO_PREPARE_AHEAD=0`
switches it off.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable

from natural_mujoco.backgrounds.library import VideoLibrary
from natural_mujoco.backgrounds.obtain.preparing_process import PreparingProcess
from natural_mujoco.errors import NaturalMujocoError

MOST_PROCESSES = 4
NICE = 5

Prepare = Callable[[PreparingProcess, VideoLibrary, str, int, Callable[[], bool]], None]


class Ahead:
    """Prepares `clip_ids` of a library in the background, in this order, until all are done or `stop` is called."""

    def __init__(self, library: VideoLibrary, clip_ids: Iterable[str], size: int, prepare: Prepare) -> None:
        # A library of its own, since a reference to the user's would keep that alive, whose end must stop this work.
        self._library = VideoLibrary(library.manifest, library.cache, library.argument)
        self._waiting = deque(dict.fromkeys(clip_ids))
        self._size = size
        self._prepare = prepare
        self._processes: list[PreparingProcess] = []
        self._stopped = False
        self._pid = os.getpid()
        # Daemon threads, as they may be waiting for a decoder when the interpreter exits.
        self._leader = threading.Thread(target=self._lead, name="prepare-ahead", daemon=True)
        self._helpers = [
            threading.Thread(target=self._work, name=f"prepare-ahead-{k}", daemon=True)
            for k in range(min(free_cores(), len(self._waiting)))
        ]
        self._leader.start()
        self._end = weakref.finalize(library, self.stop)

    @property
    def is_running(self) -> bool:
        """Whether it is still preparing clips."""
        return self._leader.is_alive()

    def stop(self) -> None:
        """Stops at once, discards half-written clips and ends all its processes."""
        if self._stopped or os.getpid() != self._pid:  # a forked copy has neither threads nor children
            return
        self._stopped = True
        self._end.detach()
        for process in list(self._processes):
            process.kill()
        if threading.current_thread() not in (
            self._leader,
            *self._helpers,
        ):  # `stop` may run on one of these threads, in the garbage collector
            self._leader.join(timeout=10.0)

    def _lead(self) -> None:
        try:
            with self._library.cache.lock("ahead", self._library.shelf.name, str(self._size), wait_s=0.0):
                for helper in self._helpers:
                    helper.start()
                for helper in self._helpers:
                    helper.join()
        except NaturalMujocoError:
            return  # another process does this, or the cache cannot be written (reported when a clip is used)

    def _work(self) -> None:
        if sys.platform == "linux":  # where priorities are per thread and inherited by child processes
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        with PreparingProcess() as process:
            self._processes.append(process)
            while self._waiting and not self._stopped:
                try:
                    clip_id = self._waiting.popleft()
                    self._prepare(process, self._library, clip_id, self._size, lambda: self._stopped)
                except (IndexError, NaturalMujocoError):
                    continue  # the error is raised when the clip is asked for


def free_cores() -> int:
    """Number of cores that are left beside the process that steps environments, at most 4."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores - 1, MOST_PROCESSES)


def is_wanted() -> bool:
    """Whether clips are prepared ahead in this process."""
    return free_cores() > 0 and os.environ.get("NATURAL_MUJOCO_PREPARE_AHEAD", "1") != "0"
