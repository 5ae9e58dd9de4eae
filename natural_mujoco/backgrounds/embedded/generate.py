"""The embedded video sets: procedural clips with the statistics of natural video, the same bytes anywhere.

- `EMBEDDED_SETS`: `embedded`, and `embedded-256` with more training clips before the same test clips.
- `embedded_ids`: the clips of one split, sorted. `embedded_family`: the kind of scene that a clip shows.
- `generate_clip`: a whole clip at a size; `generate_frames`: some of its frames.

Clip `embedded-train-07` is scene 7 of the train split. Its number decides the kind of scene (one of eight, in turn) and
the light (one of four); everything else is drawn from a seed that no other clip has. Scenes are drawn on a raster of
128 × 128 pixels, which `resize` scales. Only integer arithmetic with explicit integer types is used from seed to bytes,
for the reason given in `integer_noise`. Any change of the drawing changes the set's hashes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from natural_mujoco.backgrounds.embedded.families import FAMILIES
from natural_mujoco.backgrounds.embedded.integer_noise import Stream
from natural_mujoco.backgrounds.embedded.palettes import MOODS
from natural_mujoco.backgrounds.embedded.scene import FRAMES, RASTER, Scene
from natural_mujoco.backgrounds.embedded.studio import Studio
from natural_mujoco.errors import InvalidArgument, unknown

EMBEDDED_FRAMES = FRAMES
# The sets differ only in their number of clips: clip 7 is the same in both.
EMBEDDED_SETS = {"embedded": {"train": 32, "test": 16}, "embedded-256": {"train": 256, "test": 16}}
MAX_SIZE = 1024

Frames = NDArray[np.uint8]

_SEEDS = {"train": 0x7261696E00000000, "test": 0x7465737400000000}


def embedded_ids(split: str, name: str = "embedded") -> tuple[str, ...]:
    """The sorted ids of one split of a set. Raises `InvalidArgument` for an unknown split or set."""
    if name not in EMBEDDED_SETS:
        raise unknown("embedded set", name, EMBEDDED_SETS)
    if split not in EMBEDDED_SETS[name]:
        raise unknown("split", split, EMBEDDED_SETS[name])
    return tuple(sorted(f"embedded-{split}-{number:02d}" for number in range(EMBEDDED_SETS[name][split])))


def embedded_family(clip_id: str) -> str:
    """The kind of scene of a clip, a key of `FAMILIES`. Raises `InvalidArgument` for an unknown id."""
    _, number = _parse(clip_id)
    return tuple(FAMILIES)[number % len(FAMILIES)]


def generate_clip(clip_id: str, size: int) -> Frames:
    """All frames of a clip: `uint8[500, size, size, 3]`, RGB.

    Raises `InvalidArgument` for an unknown id or a size outside 1 to 1024.
    """
    return generate_frames(clip_id, size, range(EMBEDDED_FRAMES))


def generate_frames(clip_id: str, size: int, indices: Sequence[int]) -> Frames:
    """The frames `indices` of a clip, in this order: `uint8[len(indices), size, size, 3]`, RGB.

    Setting up the scene takes some 0.3 s, each frame some 0.7 ms. Raises `InvalidArgument` for an unknown id, a
    size outside 1 to 1024 or an index outside 0 to 499.
    """
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or not 1 <= size <= MAX_SIZE:
        raise InvalidArgument(f"size must be a whole number of pixels from 1 to {MAX_SIZE}, not {size!r}.")
    for index in indices:
        if not 0 <= index < EMBEDDED_FRAMES:
            raise InvalidArgument(
                f"Frames are numbered 0 to {EMBEDDED_FRAMES - 1}; there is no frame {index}."
            )
    size = int(size)
    scene = clip_scene(clip_id)
    frames = np.empty((len(indices), size, size, 3), np.uint8)
    for frame, index in zip(frames, indices, strict=True):
        packed = scene.render(index)
        if size == RASTER:
            _unpack(packed, frame)
        elif 2 * size == RASTER:
            _unpack(_halve(packed), frame)
        else:
            native = np.empty((RASTER, RASTER, 3), np.uint8)
            _unpack(packed, native)
            frame[...] = resize(native, size)
    return frames


def resize(frame: Frames, size: int) -> Frames:
    """Resizes a square frame `uint8[n, n, 3]` to `uint8[size, size, 3]`, with rational weights, halves rounded up.

    For smaller sizes a pixel is the average of the area that it covers (at 64, of two by two pixels); larger sizes are
    interpolated between pixel centres (bilinear).
    """
    index, weight, total = _taps(frame.shape[0], size)
    rows = np.zeros((size, *frame.shape[1:]), np.uint32)
    for i, w in zip(index, weight, strict=True):
        rows += frame[i] * w[:, None, None]
    both = np.zeros((size, size, frame.shape[2]), np.uint32)
    for i, w in zip(index, weight, strict=True):
        both += rows[:, i] * w[None, :, None]
    both += np.uint32(total * total // 2)
    both //= np.uint32(total * total)
    return both.astype(np.uint8)


def _taps(source: int, target: int) -> tuple[NDArray[np.int64], NDArray[np.uint32], int]:
    """The source pixels of each target pixel: indices and weights `[taps, target]`, and the sum of the weights."""
    pixel = np.arange(target, dtype=np.int64)
    if target < source:
        # In units of 1/target source pixels, target pixel i covers [i·source, (i+1)·source).
        taps = np.arange((source + target - 1) // target + 1, dtype=np.int64)[:, None]
        index = pixel * source // target + taps
        weight = np.minimum((index + 1) * target, (pixel + 1) * source) - np.maximum(
            index * target, pixel * source
        )
        return np.minimum(index, source - 1), np.maximum(weight, 0).astype(np.uint32), source
    # In units of 1/(2·target) source pixels, the centre of target pixel i lies at (2i+1)·source - target.
    centre = (2 * pixel + 1) * source - target
    left = centre // (2 * target)
    part = centre - left * 2 * target
    index = np.clip(np.stack([left, left + 1]), 0, source - 1)
    return index, np.stack([2 * target - part, part]).astype(np.uint32), 2 * target


def _halve(packed: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The mean of each two by two pixels, halves rounded up: what `resize` does, two channels at a time."""
    lanes, half = np.uint32(0x00FF00FF), np.uint32(0x00020002)
    even, odd = packed & lanes, (packed >> np.uint32(8)) & lanes
    means = []
    for lane in (even, odd):
        rows = lane[0::2] + lane[1::2]
        means.append(((rows[:, 0::2] + rows[:, 1::2] + half) >> np.uint32(2)) & lanes)
    halved: NDArray[np.uint32] = means[0] | (means[1] << np.uint32(8))
    return halved


def _unpack(packed: NDArray[np.uint32], out: Frames) -> None:
    for channel, shift in enumerate((16, 8, 0)):
        out[..., channel] = (packed >> np.uint32(shift)) & np.uint32(255)


def _parse(clip_id: str) -> tuple[str, int]:
    clips = EMBEDDED_SETS["embedded-256"]
    match = re.fullmatch("embedded-(train|test)-([0-9]{2,3})", clip_id)
    if match is not None:
        split, number = match[1], int(match[2])
        if number < clips[split] and match[2] == f"{number:02d}":
            return split, number
    valid = " and ".join(f"embedded-{split}-00 to {count - 1}" for split, count in clips.items())
    raise InvalidArgument(f"Unknown clip {clip_id!r} of the embedded sets. Valid: {valid}.")


def clip_stream(clip_id: str) -> Stream:
    """The random stream of a clip, from the clip's own seed. Raises `InvalidArgument` for an unknown id."""
    split, number = _parse(clip_id)
    return Stream(_SEEDS[split] + number).split()


def clip_scene(clip_id: str) -> Scene:
    """A clip as layers, actors and camera, before it is rendered. Raises `InvalidArgument` for an unknown id."""
    _, number = _parse(clip_id)
    turn = number // len(FAMILIES)
    mood = MOODS[(turn + number) % len(MOODS)]
    return FAMILIES[embedded_family(clip_id)](Studio(clip_stream(clip_id), mood))
