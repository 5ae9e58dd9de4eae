"""A separate process for decoding, since a damaged video can crash a decoder but must not crash the user's program.

- `PreparingProcess`: the parent's side; the child's side is `_Decoder`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from natural_mujoco.backgrounds.cache import LOCK_TIMEOUT_S, Cache
from natural_mujoco.backgrounds.library import VideoLibrary
from natural_mujoco.backgrounds.manifest import Manifest
from natural_mujoco.errors import NaturalMujocoError, VideoSetError, WorkerError
from natural_mujoco.processes import (
    ChildDied,
    ChildHung,
    ChildProcess,
    Exchange,
    Failure,
    Stopwatch,
    report,
)
from natural_mujoco.processes.serving import PREPARED_FRAMES

SILENCE_S = 120.0
"""Seconds without progress after which a decoder counts as hung."""

MAX_RESIDENT_BYTES = 520 * 2**20
"""A process that uses more memory after a frame gives up the clip, as the next frames could take it to 600 MB."""

LARGE_RESIDENT_BYTES = 300 * 2**20
"""A process that uses more memory after a clip is ended, as it does not return freed memory to the system."""

_FRAMES, _LARGE = 0, 1
"""Numbers of the counters: frames done plus one (0 until the work begins), and whether the process has grown large."""

_ENVIRON = {
    "OPENCV_IO_MAX_IMAGE_PIXELS": str(2**24),
    # Thousands of frames are allocated and freed; returning their memory to the system each time costs a tenth.
    "MALLOC_MMAP_THRESHOLD_": str(2**28),
    "MALLOC_TRIM_THRESHOLD_": str(2**29),
}


class PreparingProcess:
    """One process that prepares clip after clip. It starts with the first job, and again after a crash."""

    def __init__(self) -> None:
        self._child: ChildProcess | None = None
        self._exchange: Exchange | None = None
        self._killed = False
        self._progress = _Progress()

    def __enter__(self) -> PreparingProcess:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def prepare(
        self,
        library: VideoLibrary,
        clip_id: str,
        size: int,
        replace: bool = False,
        on_frames: Callable[[int], None] | None = None,
    ) -> None:
        """Runs `preparation.prepare_here` in the process. Raises as that does, and `VideoSetError` if it dies."""
        manifest = library.manifest
        alone = manifest.model_copy(update={"videos": (library.video(clip_id),)})
        job = (library.cache.home, alone, clip_id, size, replace)
        self._do("prepare", job, f"{clip_id} of {manifest.name}", on_frames)

    def count_first_frames(self, path: Path) -> int:
        """Runs `decode.count_first_frames` in the process. Raises as that does, and `VideoSetError` if it dies."""
        return int(self._do("count_first_frames", (path,), str(path), None))

    def close(self) -> None:
        """Ends the process, which must not have a job now."""
        if self._child is not None:
            self._child.end()
            self._child = self._exchange = None

    def kill(self) -> None:
        """Ends the process even during a job, from any thread. A half-written clip is discarded, the others stay."""
        self._killed = True
        if self._child is not None:
            self._child.kill()

    def _do(
        self, job: str, arguments: tuple[Any, ...], what: str, on_frames: Callable[[int], None] | None
    ) -> Any:
        if self._killed:
            raise VideoSetError("Preparing was stopped.")
        if self._child is None or self._exchange is None:
            # Quiet, because decoders write to stderr about every damaged block.
            self._child = ChildProcess(_Decoder, name="decoder", quiet=True, environ=_ENVIRON)
            self._exchange = Exchange([self._child], waiting=self._progress)
        child = self._child
        child.mailbox.count(_FRAMES, 0)
        self._progress.begin(on_frames)
        try:
            self._exchange.send(job, [arguments])
            [answer] = self._exchange.collect()
            self._progress(child)
        except ChildHung:
            self.close()
            raise VideoSetError(f"The decoder hangs on {what}: its video is damaged. Replace it.") from None
        except ChildDied as death:
            begun = child.mailbox.counters[_FRAMES] > 0
            self.close()
            raise self._died(what, death, begun) from None
        if child.mailbox.counters[_LARGE]:
            self.close()
        if not isinstance(answer, Failure):
            return answer
        if isinstance(answer.error, NaturalMujocoError):
            raise answer.error
        raise RuntimeError(f"preparing {what} failed:\n{answer.traceback}")

    def _died(self, what: str, death: ChildDied, begun: bool) -> NaturalMujocoError:
        if self._killed:
            return VideoSetError("Preparing was stopped.")
        if not begun:
            return WorkerError(
                f"The process that decodes videos ended ({death.how}) before it began {what}. "
                f"Its last words: {death.last_words or 'none'}"
            )
        hint = (
            "memory may have run out, or its video is" if "SIGKILL" in death.how else "its video is probably"
        )
        return VideoSetError(
            f"The decoder ended ({death.how}) on {what}: {hint} damaged. Replace it and try again."
        )


class _Progress:
    """Reports the process's progress, and notices if there has been none for too long."""

    def begin(self, on_frames: Callable[[int], None] | None) -> None:
        """Starts watching a new job."""
        self._on_frames, self._seen, self._watch = on_frames, 0, Stopwatch()

    def __call__(self, child: ChildProcess) -> None:
        """Called at every look at the process. Raises `ChildHung` if there has been no progress for too long."""
        frames = child.mailbox.counters[_FRAMES]
        if frames != self._seen:
            self._seen = frames
            self._watch.restart()
            report(PREPARED_FRAMES, frames - 1)
            if self._on_frames is not None:
                self._on_frames(frames - 1)
        # Before the first frame, it may be waiting for another process that prepares the same clip.
        elif self._watch.look() > (SILENCE_S if frames else LOCK_TIMEOUT_S + SILENCE_S):
            raise ChildHung(0, child)


class _Decoder:
    """The child's side: its public methods are the jobs."""

    def __init__(self) -> None:
        import cv2

        cv2.setNumThreads(1)

    def prepare(self, home: Path, manifest: Manifest, clip_id: str, size: int, replace: bool) -> None:
        from natural_mujoco.backgrounds.obtain.preparation import prepare_here

        reported = 0.0

        def on_frames(count: int) -> None:
            nonlocal reported
            if _resident_bytes() > MAX_RESIDENT_BYTES:
                raise VideoSetError(
                    f"Decoding {clip_id} takes more than 600 MB, for it needs many large frames at once. "
                    "Encode it anew at 1920×1080 or less."
                )
            if count == 0 or time.monotonic() - reported > 0.1:
                reported = time.monotonic()
                report(_FRAMES, count + 1)

        try:
            prepare_here(VideoLibrary(manifest, Cache(home)), clip_id, size, replace, on_frames)
        finally:
            report(_LARGE, _resident_bytes() > LARGE_RESIDENT_BYTES)

    def count_first_frames(self, path: Path) -> int:
        from natural_mujoco.backgrounds.obtain.decode import count_first_frames

        report(_FRAMES, 1)
        try:
            return count_first_frames(path)
        finally:
            report(_LARGE, _resident_bytes() > LARGE_RESIDENT_BYTES)


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0  # known only on Linux
