"""The clips that this process keeps mapped: the last ones used, within its budget of file descriptors.

Each map holds a descriptor, and systems grant a process 256 (macOS) to a million. The clips of all libraries of the
process count together, and a quarter of what is granted is theirs; environments hold those they play.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from natural_mujoco.backgrounds.clip_file import Frames

MOST = 256
"""Kept at most, where descriptors are plenty."""

Key = tuple[object, str, int]
"""Library's token, clip's id, size in pixels."""


class OpenClips:
    """A least-recently-used shelf of mapped clips. Safe from any thread."""

    def __init__(self) -> None:
        self._clips: OrderedDict[Key, Frames] = OrderedDict()
        self._lock = threading.RLock()  # `forget` may be called by the garbage collector, anywhere

    def get(self, key: Key) -> Frames | None:
        """The clip, if it is kept."""
        with self._lock:
            frames = self._clips.get(key)
            if frames is not None:
                self._clips.move_to_end(key)
            return frames

    def keep(self, key: Key, frames: Frames) -> None:
        """Keep a clip, and let go of those that were used least recently."""
        with self._lock:
            self._clips[key] = frames
            while len(self._clips) > budget():
                self._clips.popitem(last=False)

    def forget(self, token: object) -> None:
        """Let go of a library's clips."""
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
