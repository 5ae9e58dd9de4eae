"""Keeps the most recently used clips of this process memory-mapped, within its limit of file descriptors.

Each map holds a descriptor, and systems allow a process between 256 (macOS) and a million. A quarter of that limit is
for the clips kept here, of all libraries of the process together; environments hold the clips that they play besides.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from natural_mujoco.backgrounds.clip_file import Frames

MOST = 256
"""Most clips that are kept, on systems with many descriptors."""

Key = tuple[object, str, int]
"""The library's token, the clip's id, the size in pixels."""


class OpenClips:
    """A cache of mapped clips that drops the least recently used ones. Safe from any thread."""

    def __init__(self) -> None:
        self._clips: OrderedDict[Key, Frames] = OrderedDict()
        self._lock = threading.RLock()  # reentrant, as the garbage collector may call `forget` at any time

    def get(self, key: Key) -> Frames | None:
        """The clip if it is kept, else `None`."""
        with self._lock:
            frames = self._clips.get(key)
            if frames is not None:
                self._clips.move_to_end(key)
            return frames

    def keep(self, key: Key, frames: Frames) -> None:
        """Keeps a clip, and drops the least recently used ones if there are too many."""
        with self._lock:
            self._clips[key] = frames
            while len(self._clips) > budget():
                self._clips.popitem(last=False)

    def forget(self, token: object) -> None:
        """Drops the clips of a library."""
        with self._lock:
            for key in [key for key in self._clips if key[0] is token]:
                del self._clips[key]


def budget() -> int:
    """How many clips this process may keep mapped now."""
    try:
        import resource
    except ImportError:  # Windows, where maps hold no descriptors of this kind
        return MOST
    granted, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if granted == resource.RLIM_INFINITY else max(1, min(MOST, granted // 4))


OPEN_CLIPS = OpenClips()
