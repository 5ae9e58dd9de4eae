"""Writes one prepared clip to disk, whole or not at all, and records its hash.

- `write_clip`: streams batches of frames into a new file.
- `record_check`: records a file's hash, so that opening the clip is cheap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from natural_mujoco.backgrounds.cache import replacing
from natural_mujoco.backgrounds.clip_file import FileIdentity, Frames, clip_header
from natural_mujoco.backgrounds.manifest import MAX_FRAMES
from natural_mujoco.errors import FileError, VideoSetError
from natural_mujoco.files import write_json


def write_clip(
    path: Path, batches: Iterable[Frames], size: int, before_rename: Callable[[str, int], None]
) -> str:
    """Writes `batches` of `uint8[n, size, size, 3]` as one clip and returns the sha256 (hex) of its frames.

    Frames are written as they come, so that memory holds only one batch. `before_rename(sha256, frames)` is called when
    everything is written but the file is not visible yet; if it raises, the file is discarded. The caller must hold the
    clip's lock. Raises `VideoSetError` if there are fewer than two frames or the file cannot be written.
    """
    digest = hashlib.sha256()
    count = 0
    with replacing(path) as file:
        file.write(clip_header(0, size))
        for batch in batches:
            batch = np.ascontiguousarray(batch[: MAX_FRAMES - count])
            if batch.dtype != np.uint8 or batch.shape[1:] != (size, size, 3):
                raise ValueError(f"a batch has shape {batch.shape} and type {batch.dtype}")
            file.write(batch.data)
            digest.update(batch.data)
            count += len(batch)
            if count >= MAX_FRAMES:
                break
        if count < 2:
            raise VideoSetError(f"{path.stem} has {count} frame(s), and a background needs at least two.")
        file.seek(0)
        file.write(clip_header(count, size))
        before_rename(digest.hexdigest(), count)
    return digest.hexdigest()


def record_check(path: Path, sha256: str, identity: FileIdentity) -> None:
    """Records that the file at `path` with this `identity` has the hash `sha256`, unless the cache is read-only."""
    with suppress(FileError):
        write_json(path.with_suffix(".json"), {"sha256": sha256, "identity": list(identity)})
