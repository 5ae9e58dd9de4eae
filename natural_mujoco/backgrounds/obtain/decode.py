"""Video files and folders of frames to square frames of one size, a bounded number of bytes at a time.

Frames are decoded at full size, cut to their centre square and scaled by area averaging: that gives the same
bytes whichever decoder reads the video, which scaling inside a decoder does not.

Two decoders share the work. decord reads clips that would fit in memory whole, because an open decord
reader decodes ahead of its consumer without any bound (2.5 GB for forty seconds of 1080p). OpenCV reads the
others frame by frame, and everything where decord is not installed. Which one reads a clip depends on the
clip alone, and on 8-bit progressive video both give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from natural_mujoco.backgrounds.clip_file import Frames
from natural_mujoco.backgrounds.manifest import MAX_FRAMES
from natural_mujoco.errors import VideoSetError

VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm"})
FRAME_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
MAX_PIXELS = 4096 * 2304
"""Larger frames are refused: a codec may keep sixteen of them, and a background needs a hundredth."""

DECORD_BYTES = 144 * 2**20
DECORD_FILE_BYTES = 64 * 2**20
BATCH = 16

Decoder = Literal["decord", "opencv"]


def square(frame: Frames, size: int) -> Frames:
    """The centre square of an RGB frame `[h, w, 3]`, scaled to uint8 `[size, size, 3]` by area averaging."""
    height, width = frame.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    cut = frame[top : top + side, left : left + side]
    return np.asarray(cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def read_squares(
    source: Path, size: int, limit: int = MAX_FRAMES, decoder: Decoder | None = None
) -> Iterator[Frames]:
    """Batches uint8 `[n, size, size, 3]` of the first `limit` frames of a video file or a folder of frames.

    What a file's header says about its number of frames is not believed: reading ends where the frames end.
    `decoder` overrules the choice that depends on the clip. Raises `VideoSetError` naming `source` if it
    cannot be opened, if its frames are larger than 4096×2304, or if decord meets damage on the way.
    """
    if source.is_dir():
        yield from _read_frame_folder(source, size, limit)
        return
    capture = _open_opencv(source)
    reader = _open_decord(source) if decoder in (None, "decord") else None
    if decoder is None and reader is not None and not _fits_decord(reader, capture):
        reader = None
    if reader is not None:
        count = 0
        for batch in _read_with_decord(source, reader, size, limit):
            count += len(batch)
            yield batch
        if count:
            return
    yield from _read_with_opencv(source, capture, size, limit)


def frame_files(folder: Path) -> list[Path]:
    """The frames of a frame folder in order of their names."""
    frames = (p for p in folder.iterdir() if p.suffix.lower() in FRAME_SUFFIXES)
    return sorted(p for p in frames if not p.name.startswith("."))


def count_first_frames(source: Path) -> int:
    """0, 1 or 2: how many frames can be read from the start of a video file or frame folder, up to two.

    Raises `VideoSetError` naming `source` if it cannot be read at all.
    """
    return sum(len(batch) for batch in read_squares(source, 8, limit=2, decoder="opencv"))


def _read_frame_folder(folder: Path, size: int, limit: int) -> Iterator[Frames]:
    for path in frame_files(folder)[:limit]:
        try:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        except cv2.error:  # its size exceeds OPENCV_IO_MAX_IMAGE_PIXELS
            image = None
        if image is None or image.shape[0] * image.shape[1] > MAX_PIXELS:
            raise VideoSetError(
                f"Cannot read {path} as an image of at most 4096×2304 pixels: replace or remove it."
            )
        yield square(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), size)[None]


def _open_opencv(path: Path) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    width = capture.get(cv2.CAP_PROP_FRAME_WIDTH) if capture.isOpened() else 0
    height = capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if width < 1 or height < 1:
        raise VideoSetError(f"Cannot decode {path}: it is no video, or damaged.")
    if width * height > MAX_PIXELS:
        raise VideoSetError(
            f"The frames of {path} have {width:.0f}×{height:.0f} pixels. Scale it down to 4096×2304 or less."
        )
    return capture


def _read_with_opencv(path: Path, capture: cv2.VideoCapture, size: int, limit: int) -> Iterator[Frames]:
    count = 0
    try:
        while count < limit:
            got, frame = capture.read()
            if not got:
                break
            count += 1
            yield square(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), size)[None]
    except cv2.error as error:
        raise VideoSetError(f"Cannot decode {path}: it is damaged after {count} frames.") from error
    finally:
        capture.release()


def _open_decord(path: Path) -> Any | None:
    if path.stat().st_size > DECORD_FILE_BYTES or find_spec("decord") is None:
        return None
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    try:
        return decord.VideoReader(str(path), num_threads=1)
    except (decord.DECORDError, RuntimeError):
        return None  # it cannot index some videos that OpenCV reads


def _fits_decord(reader: Any, capture: cv2.VideoCapture) -> bool:
    # decord counts packets, so its length holds whatever the header says.
    pixels = capture.get(cv2.CAP_PROP_FRAME_WIDTH) * capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    return bool(len(reader) >= 2 and len(reader) * pixels * 3 <= DECORD_BYTES)


def _read_with_decord(path: Path, reader: Any, size: int, limit: int) -> Iterator[Frames]:
    import decord

    total = min(len(reader), limit)
    count = 0
    try:
        while count < total:
            batch = reader.get_batch(range(count, min(total, count + BATCH))).asnumpy()
            count += len(batch)
            yield np.stack([square(frame, size) for frame in batch])
    except decord.DECORDError as error:
        if count == 0:
            return  # decord has no scaler for some frames that OpenCV reads, such as those of 16 pixels
        raise VideoSetError(f"Cannot decode {path}: it is damaged after {count} frames.") from error
