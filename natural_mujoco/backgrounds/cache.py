"""The cache on disk: where things lie, who may write them, and how a write becomes whole or nothing.

$NATURAL_MUJOCO_HOME/
  clips/<collection>/<size>/<clip>.npy    prepared frames, uint8 [frames, size, size, 3]
  clips/<collection>/<size>/<clip>.json   which bytes of that file were last hashed, and to what
  pins/<collection>.json                  the lock file: sha256 of each clip's first preparation
  sources/<collection>/<clip>.mp4|.link   the video itself, or where an imported one lies
  manifests/<name>.json                   sets made by `videos import --allow-missing`
  locks/                                  empty files that preparing processes hold
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import filelock
import platformdirs

from natural_mujoco.errors import VideoSetError

LOCK_TIMEOUT_S = 900.0

_WRITE_REMEDIES = {
    errno.ENOSPC: "The disk is full: free some space, or",
    errno.EDQUOT: "The disk quota is used up: free some space, or",
    errno.EFBIG: "The file system or a resource limit refuses files of this size: raise the limit, or",
    errno.EROFS: "The file system is read-only: make it writable, or",
    errno.EACCES: "The folder is not yours to write: change its permissions, or",
    errno.EPERM: "The folder is not yours to write: change its permissions, or",
    errno.ENOTDIR: "A file stands where a folder should be: move it away, or",
    errno.EEXIST: "A file stands where a folder should be: move it away, or",
}


def cache_home() -> Path:
    """The cache folder: `$NATURAL_MUJOCO_HOME`, else the platform's cache folder for this package.

    Raises `VideoSetError` where neither leads to a folder: a user without a home, or a `~name` that nobody has.
    """
    chosen = os.environ.get("NATURAL_MUJOCO_HOME", "").strip()
    try:
        home = Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("natural-mujoco")
    except RuntimeError:
        home = Path("~")
    if home.parts[:1] and home.parts[0].startswith("~"):
        wrong = (
            f"NATURAL_MUJOCO_HOME is {chosen!r}, and there is no such home folder"
            if chosen
            else "This user has no home folder to keep video frames in"
        )
        raise VideoSetError(f"{wrong}. Set NATURAL_MUJOCO_HOME to a folder with room that you may write.")
    return home.absolute()


def write_error(path: Path, error: OSError) -> VideoSetError:
    """The error a user sees when `path` in the cache cannot be written."""
    remedy = _WRITE_REMEDIES.get(error.errno or 0, f"{error.strerror or error}: mend that, or")
    return VideoSetError(
        f"Cannot write {path}. {remedy} set NATURAL_MUJOCO_HOME to a folder with room that you may write."
    )


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a new `path` for writing; it appears under its name whole and on disk, or not at all.

    The caller holds the lock of `path`, so the temporary file has one fixed name and a killed
    writer leaves at most one behind, which the next writer overwrites. Raises `VideoSetError` if the disk
    refuses; the previous `path`, if any, then stays as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(temporary, "w+b")  # noqa: SIM115 closed below, before the rename
    except OSError as error:
        raise write_error(path, error) from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise write_error(path, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _acquire(lock: filelock.BaseFileLock, stopped: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            lock.acquire(timeout=0.5)
            return
        except filelock.Timeout:
            if time.monotonic() > deadline:
                raise
        if stopped():
            raise VideoSetError("Waiting for another process was stopped.")


class Cache:
    """The paths and locks of one cache folder. Creating one touches no disk."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = home if home is not None else cache_home()

    def clip(self, collection: str, size: int, key: str) -> Path:
        """Prepared frames of clip `key` (its id, or the hash of its file) at `size` pixels."""
        return self.home / "clips" / collection / str(size) / f"{key}.npy"

    def pins(self, collection: str) -> Path:
        """The lock file with the hashes of first preparations."""
        return self.home / "pins" / f"{collection}.json"

    def sources(self, collection: str) -> Path:
        """The folder of videos that were downloaded, and of links to those that were imported."""
        return self.home / "sources" / collection

    @contextmanager
    def lock(self, *parts: str, stopped: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Hold the lock named by `parts` across processes.

        Raises `VideoSetError` if the cache cannot be written, if another process holds the lock for a
        quarter of an hour, or if `stopped` becomes true while waiting.
        """
        path = self.home.joinpath("locks", *parts[:-1], f"{parts[-1]}.lock")
        lock = filelock.FileLock(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _acquire(lock, stopped)
        except filelock.Timeout as error:
            raise VideoSetError(
                f"Another process has held {path} for {LOCK_TIMEOUT_S:.0f} s. End it if it hangs, and try again."
            ) from error
        except OSError as error:
            raise write_error(path, error) from error
        try:
            yield
        finally:
            lock.release()
