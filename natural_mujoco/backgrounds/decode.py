"""Video files and folders of frames to square frames of one size, in batches of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from natural_mujoco.backgrounds.clip_file import Frames
from natural_mujoco.backgrounds.manifest import MAX_FRAMES
from natural_mujoco.errors import VideoSetError

VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm"})
FRAME_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})

_BATCH_BYTES = 48 * 2**20


def square(frame: Frames, size: int) -> Frames:
    """The centre square of an RGB frame `[h, w, 3]`, scaled to uint8 `[size, size, 3]` by area averaging."""
    height, width = frame.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.asarray(
        cv2.resize(frame[top : top + side, left : left + side], (size, size), interpolation=cv2.INTER_AREA),
        dtype=np.uint8,
    )


def read_squares(source: Path, size: int) -> Iterator[Frames]:
    """Batches uint8 `[n, size, size, 3]` of the first 1000 frames of a video file or a folder of frames.

    Raises `VideoSetError` naming `source` if it cannot be decoded.
    """
    if source.is_dir():
        return _read_frame_folder(source, size)
    return _read_video(source, size)


def frame_files(folder: Path) -> list[Path]:
    """The frames of a frame folder in order of their names."""
    return sorted(
        p for p in folder.iterdir() if p.suffix.lower() in FRAME_SUFFIXES and not p.name.startswith(".")
    )


def _read_frame_folder(folder: Path, size: int) -> Iterator[Frames]:
    files = frame_files(folder)[:MAX_FRAMES]
    for start in range(0, len(files), 32):
        batch = []
        for path in files[start : start + 32]:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                raise VideoSetError(f"Cannot read {path} as an image: replace or remove it.")
            batch.append(square(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), size))
        yield np.stack(batch)


def _read_video(path: Path, size: int) -> Iterator[Frames]:
    import decord

    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        count = min(len(reader), MAX_FRAMES)
        first = reader[0].asnumpy()
        step = max(1, _BATCH_BYTES // max(first.nbytes, 1))
        del first
        for start in range(0, count, step):
            batch = reader.get_batch(range(start, min(count, start + step))).asnumpy()
            yield np.stack([square(frame, size) for frame in batch])
    except decord.DECORDError as error:
        raise VideoSetError(f"Cannot decode {path.name}: it is no video, or damaged.") from error
