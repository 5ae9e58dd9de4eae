"""The cache on disk: its layout and its locks.

$NATURAL_MUJOCO_HOME/
  clips/<shelf>/<size>/<clip>.npy    prepared frames, uint8 [frames, size, size, 3]
  clips/<shelf>/<size>/<clip>.json   the sha256 of that file's frames, and the file's size, time and inode when hashed
  pins/<shelf>.json                  the lock file: sha256 of each clip's first preparation
  sources/<shelf>/<clip>.mp4|.link   the video itself, or where an imported one lies
  sources/<shelf>.commits.json       the commit to which each revision of a dataset was first resolved
  manifests/<name>.json              sets made by `videos import --allow-missing`
  locks/                             lock files that preparing processes hold

A shelf holds the clips of one or several sets; `shelves` decides which.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

import platformdirs

from natural_mujoco import files
from natural_mujoco.errors import LockHeld, VideoSetError

LOCK_TIMEOUT_S = 900.0


def cache_home() -> Path:
    """The cache folder: `$NATURAL_MUJOCO_HOME`, else the platform's cache folder for this package.

    Raises `VideoSetError` if neither gives a folder, as for a user without a home folder or an unknown `~name`.
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
    """The error for a `path` in the cache that cannot be written."""
    otherwise = "set NATURAL_MUJOCO_HOME to a folder with room that you may write"
    return VideoSetError(files.write_fault(path, error, otherwise))


def replacing(path: Path) -> AbstractContextManager[BinaryIO]:
    """`files.replacing` for a `path` in the cache whose lock the caller holds. Raises `VideoSetError` on failure."""
    return files.replacing(path, write_error, alone=True)


class Cache:
    """The paths and locks of one cache folder. Creating this object does not touch the disk."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = home if home is not None else cache_home()

    def clip(self, shelf: str, size: int, key: str) -> Path:
        """The file of the prepared frames of clip `key` (its id, or the hash of its file) at `size` pixels."""
        return self.home / "clips" / shelf / str(size) / f"{key}.npy"

    def pins(self, shelf: str) -> Path:
        """The lock file with the hashes of the clips' first preparations."""
        return self.home / "pins" / f"{shelf}.json"

    def sources(self, shelf: str) -> Path:
        """The folder of videos that were downloaded, and of links to those that were imported."""
        return self.home / "sources" / shelf

    def downloaded(self, shelf: str, clip_id: str) -> Path:
        """The file of a downloaded clip's video, whether or not it exists yet."""
        return self.sources(shelf) / f"{clip_id}.mp4"

    def link(self, shelf: str, clip_id: str) -> Path:
        """The file that holds the path of an imported clip's video."""
        return self.sources(shelf) / f"{clip_id}.link"

    @contextmanager
    def lock(
        self,
        *parts: str,
        stopped: Callable[[], bool] = lambda: False,
        wait_s: float = LOCK_TIMEOUT_S,
    ) -> Iterator[None]:
        """Holds the lock named by `parts` across processes.

        Raises `VideoSetError` if the cache cannot be written, if another process holds the lock for longer than
        `wait_s` (a quarter of an hour), or if `stopped` becomes true while waiting.
        """
        path = self.home.joinpath("locks", *parts[:-1], f"{parts[-1]}.lock")
        lock = files.holding(path, wait_s=wait_s, stopped=stopped, fault=write_error)
        try:
            lock.__enter__()
        except LockHeld as error:
            raise VideoSetError(str(error)) from error
        try:
            yield
        finally:
            lock.__exit__(None, None, None)
