"""One prepared clip on disk: a plain `.npy` of `uint8[frames, size, size, 3]`, memory-mapped by all its readers.

- `map_clip`: the frames as a read-only memory map, after checking header and length.
- `frames_sha256`: the hash that manifests and lock files pin.
- `FileIdentity`, `read_check`: tell whether a file was hashed before, so that opening it again is cheap.
- `clip_header`: the file's header.

`obtain.clip_writer` writes such files.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from natural_mujoco.backgrounds.manifest import MAX_FRAMES
from natural_mujoco.errors import VideoSetError

Frames = NDArray[np.uint8]

HEADER_BYTES = 128  # as NumPy writes it for such arrays, for any number of frames


def frames_sha256(frames: Frames) -> str:
    """sha256 (hex) of the frames' bytes in C order, without any file header."""
    return hashlib.sha256(np.ascontiguousarray(frames).data).hexdigest()


def clip_header(frames: int, size: int) -> bytes:
    """The file header of a clip of `frames` frames: 128 bytes, as `numpy.save` writes it."""
    text = io.BytesIO()
    layout = {"descr": "|u1", "fortran_order": False, "shape": (frames, size, size, 3)}
    np.lib.format.write_array_header_1_0(text, layout)
    header = text.getvalue()
    # Padding sits before the final newline; the length field counts everything after itself.
    padded = header[:-1].ljust(HEADER_BYTES - 1) + b"\n"
    return padded[:8] + (HEADER_BYTES - 10).to_bytes(2, "little") + padded[10:]


def map_clip(path: Path, size: int, in_memory: bool = False) -> Frames:
    """The frames of a prepared clip, `uint8[n, size, size, 3]`, read-only and memory-mapped.

    A map holds a file descriptor; with `in_memory`, the frames are read into memory instead and hold none.
    Raises `FileNotFoundError` if there is no file, `VideoSetError` if it is not a complete clip of this size.
    """
    with open(path, "rb") as file:
        head = file.read(HEADER_BYTES)
        total = os.fstat(file.fileno()).st_size
    count, rest = divmod(total - HEADER_BYTES, size * size * 3)
    # The header is compared with the only one that this package writes, so that nothing is parsed or unpickled.
    if rest or not 2 <= count <= MAX_FRAMES or head != clip_header(count, size):
        raise VideoSetError(f"{path} is damaged: it is no whole clip of {size}×{size} frames.")
    shape = (count, size, size, 3)
    if not in_memory:
        return np.memmap(path, dtype=np.uint8, mode="r", offset=HEADER_BYTES, shape=shape).view(np.ndarray)
    frames = np.fromfile(path, np.uint8, offset=HEADER_BYTES).reshape(shape)
    frames.flags.writeable = False
    return frames


class FileIdentity(NamedTuple):
    """Properties of a file that change when it is rewritten, by which a file that was hashed before is recognised."""

    bytes: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> FileIdentity:
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


def read_check(path: Path, identity: FileIdentity) -> str | None:
    """The sha256 recorded for the file at `path` while it had this `identity`; `None` if there is no such record."""
    try:
        record = json.loads(path.with_suffix(".json").read_bytes())
        if FileIdentity(*record["identity"]) == identity:
            return str(record["sha256"])
    except (OSError, ValueError, TypeError, KeyError):
        return None  # missing, incomplete or foreign: the caller then hashes the clip again
    return None
