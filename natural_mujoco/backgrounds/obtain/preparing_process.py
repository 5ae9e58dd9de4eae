"""A process of its own for decoding: a damaged video can take a decoder down, and must not take the user's work.

`PreparingProcess` starts this module as a program, which reads one job a line from its input and answers in lines of
JSON. It is started afresh rather than forked, because decoders hang in forks.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from natural_mujoco.backgrounds.cache import LOCK_TIMEOUT_S, Cache
from natural_mujoco.errors import NaturalMujocoError, VideoSetError

if TYPE_CHECKING:
    from natural_mujoco.backgrounds.library import VideoLibrary

SILENCE_S = 120.0
"""A decoder that says nothing for so long hangs."""

MAX_RESIDENT_BYTES = 520 * 2**20
"""A process that holds more when a frame is done gives the clip up: the next frames could take it to 600 MB."""

LARGE_RESIDENT_BYTES = 300 * 2**20
"""A process that holds more when a clip is done is ended: what it freed, it does not give back."""


class PreparingProcess:
    """One process that prepares clip after clip. Starts with the first job, and anew after a crash."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._killed = False

    def __enter__(self) -> PreparingProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()
        else:
            self.kill()

    def prepare(
        self,
        library: VideoLibrary,
        clip_id: str,
        size: int,
        replace: bool = False,
        on_frames: Callable[[int], None] | None = None,
    ) -> None:
        """`preparation.prepare_here` over there. Raises `VideoSetError` as it does, and if the decoder dies."""
        manifest = library.manifest
        job = {
            "job": "prepare",
            "home": str(library.cache.home),
            "manifest": manifest.model_copy(update={"videos": (library.video(clip_id),)}).model_dump(
                mode="json"
            ),
            "clip": clip_id,
            "size": int(size),
            "replace": replace,
        }
        self._do(job, f"{clip_id} of {manifest.name}", on_frames)

    def count_first_frames(self, path: Path) -> int:
        """`decode.count_first_frames` over there. Raises `VideoSetError` as it does, and if the decoder dies."""
        return int(self._do({"job": "probe", "path": str(path)}, str(path), None))

    def close(self) -> None:
        """End the process, which has no job now."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._forget()

    def kill(self) -> None:
        """End the process whatever it does. What it was writing is discarded, what it had finished stays."""
        self._killed = True
        if self._child is not None:
            self._child.kill()

    def _do(self, job: dict[str, object], what: str, on_frames: Callable[[int], None] | None) -> Any:
        child = self._start()
        assert child.stdin is not None
        try:
            child.stdin.write(json.dumps(job) + "\n")
            child.stdin.flush()
        except OSError:
            raise self._died(what) from None
        patience = LOCK_TIMEOUT_S + SILENCE_S  # until it holds the clip's lock, others may be preparing it
        while True:
            try:
                line = self._lines.get(timeout=patience)
            except queue.Empty:
                child.kill()
                child.wait()
                self._forget()
                raise VideoSetError(
                    f"The decoder hangs on {what}: its video is damaged. Replace it."
                ) from None
            if line is None:
                raise self._died(what)
            answer = json.loads(line)
            if answer.get("large"):
                self.close()
            if "done" in answer:
                return answer["done"]
            if "refused" in answer:
                raise VideoSetError(answer["refused"])
            if "failed" in answer:
                raise RuntimeError(f"preparing {what} failed:\n{answer['failed']}")
            patience = SILENCE_S
            if on_frames is not None:
                on_frames(answer["frames"])

    def _start(self) -> subprocess.Popen[str]:
        if self._killed:
            raise VideoSetError("Preparing was stopped.")
        if self._child is None:
            environment = _environment()
            self._lines = queue.Queue()
            # Decoders chatter on stderr about every damaged block.
            self._child = subprocess.Popen(
                [sys.executable, "-m", "natural_mujoco.backgrounds.obtain.preparing_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="utf-8",
                env=environment,
            )
            assert self._child.stdout is not None
            threading.Thread(target=_collect, args=(self._child.stdout, self._lines), daemon=True).start()
        return self._child

    def _died(self, what: str) -> VideoSetError:
        assert self._child is not None
        status = self._child.wait()
        self._forget()
        if self._killed:
            return VideoSetError("Preparing was stopped.")
        cause = signal.Signals(-status).name if status < 0 else f"status {status}"
        hint = "memory may have run out, or its video is" if status == -9 else "its video is probably"
        return VideoSetError(
            f"The decoder ended ({cause}) on {what}: {hint} damaged. Replace it and try again."
        )

    def _forget(self) -> None:
        if self._child is not None and self._child.stdin is not None:
            with suppress(OSError):  # the other end is gone, and with it the need for what was not flushed
                self._child.stdin.close()
        self._child = None


def _environment() -> dict[str, str]:
    package_root = str(Path(__file__).resolve().parents[3])
    search_path = os.pathsep.join([package_root, *filter(None, [os.environ.get("PYTHONPATH")])])
    return dict(
        os.environ,
        PYTHONPATH=search_path,
        OPENCV_IO_MAX_IMAGE_PIXELS=str(2**24),
        # Frames are allocated and freed by the thousand; giving their pages back each time costs a tenth.
        MALLOC_MMAP_THRESHOLD_=str(2**28),
        MALLOC_TRIM_THRESHOLD_=str(2**29),
    )


def _collect(stream: TextIO, lines: queue.Queue[str | None]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)


def _serve() -> None:
    # Libraries that print must not write into the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    import cv2

    cv2.setNumThreads(1)

    def answer(**message: object) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    for line in sys.stdin:
        outcome: dict[str, object]
        try:
            outcome = {"done": _work(json.loads(line), answer)}
        except NaturalMujocoError as error:
            outcome = {"refused": str(error)}
        except Exception:
            outcome = {"failed": traceback.format_exc()}
        answer(**outcome, large=_resident_bytes() > LARGE_RESIDENT_BYTES)


def _work(job: dict[str, Any], answer: Callable[..., None]) -> object:
    from natural_mujoco.backgrounds.library import VideoLibrary
    from natural_mujoco.backgrounds.manifest import Manifest
    from natural_mujoco.backgrounds.obtain.decode import count_first_frames
    from natural_mujoco.backgrounds.obtain.preparation import prepare_here

    if job["job"] == "probe":
        answer(frames=0)
        return count_first_frames(Path(job["path"]))
    library = VideoLibrary(Manifest.model_validate(job["manifest"]), Cache(Path(job["home"])))
    answered = 0.0

    def on_frames(count: int) -> None:
        nonlocal answered
        if _resident_bytes() > MAX_RESIDENT_BYTES:
            raise VideoSetError(
                f"Decoding {job['clip']} takes more than 600 MB, for it needs many large frames at once. "
                "Encode it anew at 1920×1080 or less."
            )
        if count == 0 or time.monotonic() - answered > 0.1:
            answered = time.monotonic()
            answer(frames=count)

    prepare_here(library, job["clip"], job["size"], job["replace"], on_frames)
    return None


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0  # known on Linux alone


if __name__ == "__main__":
    _serve()
