"""How a parent and its child exchange data: short words on pipes announce content that lies in a shared file.

A word on a pipe is eight bytes, which are written or read together or not at all. An exception between two calls
(Ctrl-C, an alarm) can therefore lose a word, which is then sent again, but never half of one.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import tempfile

WORD = 8
"""Size of a word in bytes. Its value is the command's number times four, plus one of the kinds below."""

NOTHING, CONTENT, FAILURE = 0, 1, 2
"""Kinds of word: without content (as a command: repeat the previous one), with content, with a `Failure`."""

COUNTERS = 4
_LENGTH, _OFF_THE_CLOCK, _FIRST_COUNTER = range(3)


def word(number: int, kind: int) -> bytes:
    """The word that announces command or answer `number`."""
    return (number << 2 | kind).to_bytes(WORD, "little")


def last_word(data: bytes) -> tuple[int, int]:
    """Number and kind of the last word in `data`, a whole number of words."""
    value = int.from_bytes(data[-WORD:], "little")
    return value >> 2, value & 3


def shared_file(size: int, prefix: str = "natural-mujoco-") -> int:
    """The descriptor of a new file of `size` bytes without a name, in memory or else in the temporary folder.

    The memory does not come from `/dev/shm`, which has only 64 MB in Docker. All of it is allocated before this returns
    (where the file system supports that), so that later writes cannot run out of room. Raises `OSError` if neither
    place has room.
    """
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):  # an old kernel, a sandbox, no memory: try the disk
            return _filled(os.memfd_create(prefix, os.MFD_CLOEXEC), size)
    with tempfile.TemporaryFile(prefix=prefix) as file:
        return _filled(os.dup(file.fileno()), size)


def _filled(descriptor: int, size: int) -> int:
    try:
        os.ftruncate(descriptor, size)
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(descriptor, 0, size)
            except OSError as error:
                # Some file systems cannot reserve room; the file is then used without.
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                    raise
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class Mailbox:
    """A file that parent and child both have open: a memory-mapped page of counters, then one message's content."""

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = shared_file(mmap.PAGESIZE) if descriptor is None else descriptor
        self._map = mmap.mmap(self.descriptor, mmap.PAGESIZE)
        self._words = memoryview(self._map).cast("q")

    def put(self, content: bytes) -> None:
        """Replaces the content. Raises `OSError` if there is no room."""
        os.ftruncate(self.descriptor, mmap.PAGESIZE)
        view, start = memoryview(content), 0
        while start < len(view):
            start += os.pwrite(self.descriptor, view[start:], mmap.PAGESIZE + start)
        self._words[_LENGTH] = len(view)

    def get(self) -> bytearray:
        """The content that was put last. Raises `OSError` if the file is shorter than was announced."""
        length, content = self._words[_LENGTH], bytearray()
        while len(content) < length:
            part = os.pread(self.descriptor, length - len(content), mmap.PAGESIZE + len(content))
            if not part:
                raise OSError("What the other process sent is shorter than it said.")
            content += part
        return content

    def count(self, counter: int, value: int) -> None:
        """Sets counter number `counter` (below `COUNTERS`) to `value`."""
        self._words[_FIRST_COUNTER + counter] = value

    @property
    def counters(self) -> tuple[int, ...]:
        """All counters, which the child moves while it works."""
        return tuple(self._words[_FIRST_COUNTER : _FIRST_COUNTER + COUNTERS])

    @property
    def off_the_clock(self) -> bool:
        """Whether the child is doing work that does not count against the time-out."""
        return bool(self._words[_OFF_THE_CLOCK])

    @off_the_clock.setter
    def off_the_clock(self, off: bool) -> None:
        self._words[_OFF_THE_CLOCK] = off

    def close(self) -> None:
        """Frees the memory. Late threads can still read the counters as they were. May be called again."""
        if self.descriptor < 0:
            return
        shared, self._words = self._words, memoryview(bytearray(self._map)).cast("q")
        shared.release()
        self._map.close()
        descriptor, self.descriptor = self.descriptor, -1
        os.close(descriptor)
