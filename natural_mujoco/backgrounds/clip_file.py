"""One prepared clip on disk: a plain `.npy` of uint8 `[frames, size, size, 3]`, mapped by all its readers.

- `write_clip`: stream batches of frames into a new file, whole or not at all.
- `map_clip`: the frames as a read-only memory map, after checking header and length.
- `frames_sha256`: the hash that manifests and lock files pin.
- `FileIdentity`, `read_check`, `record_check`: which bytes were hashed already, so that opening is cheap.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from natural_mujoco.backgrounds.cache import replacing
from natural_mujoco.backgrounds.manifest import MAX_FRAMES
from natural_mujoco.errors import VideoSetError

Frames = NDArray[np.uint8]

_HEADER_BYTES = 128  # what numpy itself writes for such arrays, whatever the frame count


def frames_sha256(frames: Frames) -> str:
    """sha256 (hex) of the frames' bytes in C order, without any file header."""
    return hashlib.sha256(np.ascontiguousarray(frames).data).hexdigest()


def _header(frames: int, size: int) -> bytes:
    text = io.BytesIO()
    layout = {"descr": "|u1", "fortran_order": False, "shape": (frames, size, size, 3)}
    np.lib.format.write_array_header_1_0(text, layout)
    header = text.getvalue()
    # Padding sits before the final newline; the length field counts everything after itself.
    padded = header[:-1].ljust(_HEADER_BYTES - 1) + b"\n"
    return padded[:8] + (_HEADER_BYTES - 10).to_bytes(2, "little") + padded[10:]


def write_clip(
    path: Path, batches: Iterable[Frames], size: int, before_rename: Callable[[str, int], None]
) -> str:
    """Write `batches` of uint8 `[n, size, size, 3]` as one clip and return the sha256 of its frames.

    Frames go to disk as they come, so memory holds one batch. `before_rename(sha256, frames)` runs when all
    is written but nothing is visible yet; if it raises, nothing ever is. The caller holds the clip's lock.
    Raises `VideoSetError` if there are fewer than two frames or the disk refuses.
    """
    digest = hashlib.sha256()
    count = 0
    with replacing(path) as file:
        file.write(_header(0, size))
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
        file.write(_header(count, size))
        before_rename(digest.hexdigest(), count)
    return digest.hexdigest()


def map_clip(path: Path, size: int) -> Frames:
    """The frames of a prepared clip, uint8 `[n, size, size, 3]`, read-only and memory-mapped.

    Raises `FileNotFoundError` if there is no such file, `VideoSetError` if it is no whole clip of this size.
    """
    with open(path, "rb") as file:
        head = file.read(_HEADER_BYTES)
        total = os.fstat(file.fileno()).st_size
    count, rest = divmod(total - _HEADER_BYTES, size * size * 3)
    # Comparing with the one header this package writes leaves nothing to parse, let alone to unpickle.
    if rest or not 2 <= count <= MAX_FRAMES or head != _header(count, size):
        raise VideoSetError(f"{path} is damaged: it is no whole clip of {size}×{size} frames.")
    mapped = np.memmap(path, dtype=np.uint8, mode="r", offset=_HEADER_BYTES, shape=(count, size, size, 3))
    return mapped.view(np.ndarray)


class FileIdentity(NamedTuple):
    """What changes when a file's bytes are written again: enough to know a file that was hashed before."""

    bytes: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> FileIdentity:
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


def read_check(path: Path, identity: FileIdentity) -> str | None:
    """The hash recorded for the bytes at `path` that `identity` describes; None if they were never hashed."""
    try:
        record = json.loads(path.with_suffix(".json").read_bytes())
        if FileIdentity(*record["identity"]) == identity:
            return str(record["sha256"])
    except (OSError, ValueError, TypeError, KeyError):
        return None  # missing, half a file, or not ours: hashing again is always right
    return None


def record_check(path: Path, sha256: str, identity: FileIdentity) -> None:
    """Remember that the bytes `identity` describes hash to `sha256`, unless the cache is read-only."""
    record = json.dumps({"sha256": sha256, "identity": list(identity)}).encode()
    target = path.with_suffix(".json")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(record)
        os.replace(temporary, target)
    except OSError:
        temporary.unlink(missing_ok=True)
