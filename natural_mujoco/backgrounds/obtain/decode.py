"""Decodes video files and folders of frames to square frames of one size, with one frame in memory at a time.

Frames are decoded at full size, cut to their centre square and scaled by area averaging. For 8-bit videos this gives
the same bytes with every version of FFmpeg, which scaling inside the decoder does not.

Videos are read by FFmpeg through PyAV, and frames are those that the `ffmpeg` program writes: edit lists and rotation
are honoured, and interlaced frames keep both fields. Damage is an error and never gives an empty frame.
"""

from __future__ import annotations

import errno
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np

from natural_mujoco.backgrounds.clip_file import Frames
from natural_mujoco.backgrounds.manifest import MAX_FRAMES
from natural_mujoco.errors import VideoSetError

if TYPE_CHECKING:
    import av
    import av.container

VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm"})
FRAME_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
MAX_PIXELS = 4096 * 2304
"""Larger frames are refused, as a codec may keep sixteen of them in memory; a background needs a hundredth of that."""

# Whatever a file's name, only formats that contain their frames are read, and only from the file itself. Playlists and
# similar formats would open other files, or the network.
_OPENING = {
    "format_whitelist": "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,asf,flv,ogg,dv,ivf,obu",
    "protocol_whitelist": "file",
}
_CODED_PIXELS = str(2**24)  # codecs round sizes up, to multiples of 64 at most


def square(frame: Frames, size: int) -> Frames:
    """The centre square of an RGB frame `uint8[h, w, 3]`, scaled to `uint8[size, size, 3]` by area averaging."""
    height, width = frame.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    cut = np.ascontiguousarray(frame[top : top + side, left : left + side])
    return np.asarray(cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def read_squares(source: Path, size: int, limit: int = MAX_FRAMES) -> Iterator[Frames]:
    """Batches `uint8[n, size, size, 3]` of the first `limit` frames of a video file or a folder of frames.

    The number of frames in a file's header is ignored; reading ends after the last frame. Each frame is cut and scaled
    by its own size, which may change within a video.

    Raises `VideoSetError`, which names `source`, if it cannot be read, is not a video, has frames larger than
    4096×2304, or is damaged before the last frame that is wanted.
    """
    yield from (
        _read_frame_folder(source, size, limit) if source.is_dir() else _read_video(source, size, limit)
    )


def frame_files(folder: Path) -> list[Path]:
    """The files of a frame folder, sorted by name, with numbers by their value: `f2.png` before `f10.png`."""
    frames = (p for p in folder.iterdir() if p.suffix.lower() in FRAME_SUFFIXES)
    return sorted((p for p in frames if not p.name.startswith(".")), key=_natural)


def _natural(path: Path) -> tuple[list[str | int], str]:
    # Splitting at runs of digits puts text at even places and numbers at odd ones, so that types match when compared.
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if k % 2 else part for k, part in enumerate(parts)], path.name


def count_first_frames(source: Path) -> int:
    """How many frames, up to two, can be read from the start of a video file or frame folder: 0, 1 or 2.

    Raises `VideoSetError`, which names `source`, if it cannot be read at all.
    """
    return sum(len(batch) for batch in read_squares(source, 8, limit=2))


def _read_frame_folder(folder: Path, size: int, limit: int) -> Iterator[Frames]:
    for path in frame_files(folder)[:limit]:
        check_readable(path)
        try:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        except cv2.error:  # its size exceeds OPENCV_IO_MAX_IMAGE_PIXELS
            image = None
        if image is None or image.shape[0] * image.shape[1] > MAX_PIXELS:
            raise VideoSetError(
                f"Cannot read {path} as an image of at most 4096×2304 pixels: replace or remove it."
            )
        yield square(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), size)[None]


def check_readable(path: Path) -> None:
    """Raises `VideoSetError`, which says the reason, unless `path` is a regular file that this user can read."""
    try:
        if path.is_dir():
            raise VideoSetError(f"{path} is a folder that is named like a file of frames: rename it.")
        if path.is_symlink() and not path.exists():
            raise VideoSetError(f"{path} is a link that leads nowhere: mend or remove it.")
        if path.exists() and not path.is_file():
            raise VideoSetError(f"{path} is no regular file: remove it.")
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        raise VideoSetError(f"Cannot read {path}: {error.strerror}.") from error


def _read_video(path: Path, size: int, limit: int) -> Iterator[Frames]:
    try:
        import av
    except ImportError as error:
        raise VideoSetError(
            f"PyAV, which reads videos, cannot be loaded ({error}): `pip install --force-reinstall av`."
        ) from error
    check_readable(path)
    count = 0
    try:
        with av.open(f"file:{path.absolute()}", options=_OPENING, metadata_errors="replace") as container:
            for frame in _decoded(path, container):
                yield square(frame, size)[None]
                count += 1
                if count == limit:
                    return
    except (av.FFmpegError, _Corrupt, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.EIO:
            raise VideoSetError(f"Cannot read {path}: {error.strerror}.") from error
        fault = f"it is damaged after {count} frames" if count else "it is no video, or damaged"
        raise VideoSetError(f"Cannot decode {path}: {fault}.") from error


class _Corrupt(Exception):
    """FFmpeg reported that data which it read or decoded are damaged."""


def _decoded(path: Path, container: av.container.InputContainer) -> Iterator[Frames]:
    """The frames of a container's best video stream at full size, turned upright: `uint8[h, w, 3]` each."""
    stream = cast("av.VideoStream | None", container.streams.best("video"))
    codec = stream.codec_context if stream is not None else None
    if stream is None or codec is None:  # no video, or a codec that FFmpeg does not know
        raise _Corrupt
    _check_size(path, codec.width, codec.height)
    codec.thread_count = 1  # clips are prepared in parallel, and threads would hold more frames
    codec.options = {"max_pixels": _CODED_PIXELS}
    to_rgb = _ToRGB(stream.time_base)
    first = True
    matrix: bytes | None = None
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise _Corrupt
        for frame in stream.decode(packet):
            if frame.is_corrupt:
                raise _Corrupt
            _check_size(path, frame.width, frame.height)
            if first:
                # Read for one frame only, since reading it puts the frame into a cycle, which delays its freeing.
                display: Any = frame.side_data.get("DISPLAYMATRIX")
                first, matrix = False, bytes(display) if display is not None else None
            yield _upright(to_rgb(frame), matrix)


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise VideoSetError(
            f"The frames of {path} have {width}×{height} pixels. Scale it down to 4096×2304 or less."
        )


class _ToRGB:
    """Converts a decoder's pixel format to RGB with FFmpeg's scale filter, as the `ffmpeg` program does.

    `VideoFrame.to_ndarray` would separate interlaced fields in some versions of FFmpeg and not in others.
    """

    def __init__(self, time_base: Any) -> None:
        self._time_base = time_base
        self._kind: tuple[int, int, str] | None = None
        self._graph: Any = None

    def __call__(self, frame: av.VideoFrame) -> Frames:
        import av.filter

        kind = (frame.width, frame.height, frame.format.name)
        if kind != self._kind:
            graph = self._graph = av.filter.Graph()
            graph.threads = 1
            graph.link_nodes(
                graph.add_buffer(
                    width=frame.width, height=frame.height, format=frame.format, time_base=self._time_base
                ),
                graph.add("scale", "flags=bicubic:interl=0"),
                graph.add("format", "rgb24"),
                graph.add("buffersink"),
            ).configure()
            self._kind = kind
        self._graph.vpush(frame)
        pixels: Frames = self._graph.vpull().to_ndarray()
        return pixels


def _upright(frame: Frames, matrix: bytes | None) -> Frames:
    """The frame, rotated by quarter turns and mirrored as its display matrix says; other angles are ignored."""
    if matrix is None:
        return frame
    a, b, _, c, d, *_ = (int(np.sign(number)) for number in struct.unpack("=9i", matrix))
    # A pixel at (x, y) is shown at (a·x + c·y, b·x + d·y).
    if b and c and not a and not d:
        frame, a, d = frame.swapaxes(0, 1), c, b
    elif not (a and d and not b and not c):
        return frame
    return frame[::d, ::a]
