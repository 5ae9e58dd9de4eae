"""Frames sampled from all 48 embedded clips, and the measurements that tests take of them."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from natural_mujoco.backgrounds.embedded.families import FAMILIES
from natural_mujoco.backgrounds.embedded.generate import embedded_family, embedded_ids, generate_frames

IDS = embedded_ids("train") + embedded_ids("test")
TIMES = tuple(range(5, 500, 45))
NEXT, LATER = 1, 8  # frames after each sampled time that are sampled too


@cache
def sampled(clip_id: str) -> NDArray[np.uint8]:
    """`uint8[len(TIMES), 3, 128, 128, 3]`: the frames at `TIMES`, one frame after them and eight frames after."""
    indices = [(time + step) % 500 for time in TIMES for step in (0, NEXT, LATER)]
    return generate_frames(clip_id, 128, indices).reshape(len(TIMES), 3, 128, 128, 3)


def halved(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames `[..., n, n, 3]` at half the size: the mean of two by two pixels, halves rounded up."""
    wide = frames.astype(np.int64)
    total = (
        wide[..., ::2, ::2, :] + wide[..., 1::2, ::2, :] + wide[..., ::2, 1::2, :] + wide[..., 1::2, 1::2, :]
    )
    return ((total + 2) // 4).astype(np.uint8)


def spectral_slope(frames: NDArray[np.uint8]) -> float:
    """Slope of the radially averaged power spectrum over log frequency, mean of `[frames, n, n, 3]`.

    Luminance under a Hann window, from 2 cycles a picture to three quarters of the highest frequency.
    """
    size = frames.shape[1]
    light = frames.astype(np.float64).mean(-1)
    light -= light.mean((1, 2), keepdims=True)
    window = np.hanning(size + 2)[1:-1]
    power = (np.abs(np.fft.fft2(light * np.outer(window, window))) ** 2).mean(0)
    axis = np.fft.fftfreq(size) * size
    radius = np.hypot(axis[:, None], axis[None, :])
    cycles = np.arange(2, 3 * size // 8 + 1)
    ring = [power[(radius >= c - 0.5) & (radius < c + 0.5)].mean() for c in cycles]
    return float(np.polyfit(np.log(cycles), np.log(ring), 1)[0])


def displacement(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> tuple[int, int]:
    """By how many pixels (right, down) most of the picture moved: the peak of the cross-correlation of edges."""
    size = before.shape[0]
    window = np.outer(np.hanning(size), np.hanning(size))
    transforms = []
    for frame in (before, after):
        light = frame.astype(np.float64).mean(-1)
        edges = np.diff(light, axis=0, prepend=light[:1]) + 1j * np.diff(light, axis=1, prepend=light[:, :1])
        transforms.append(np.fft.fft2(edges * window))
    correlation = np.abs(np.fft.ifft2(transforms[1] * transforms[0].conj()))
    down, right = np.unravel_index(correlation.argmax(), correlation.shape)
    return int((right + size // 2) % size - size // 2), int((down + size // 2) % size - size // 2)


def print_table() -> None:
    """Print the measurements of docs/embedded-videos.md, a line per kind of scene."""
    print("scene     slope at 64 (clips)        slope at 128 (clips)       change  std  red > 100")
    everything = []
    for family in FAMILIES:
        rows = []
        for clip_id in (clip_id for clip_id in IDS if embedded_family(clip_id) == family):
            native = sampled(clip_id)
            small = halved(native)
            change = np.abs(small[:, 0].astype(np.int64) - small[:, 1]).mean()
            slopes = (spectral_slope(small[:, 0]), spectral_slope(native[:, 0]))
            rows.append((*slopes, change, small[:, 0].std(), (small[:, 0, ..., 0] > 100).mean()))
        everything += rows
        _print_row(family, rows)
    _print_row("all", everything)


def _print_row(name: str, rows: list[tuple[float, ...]]) -> None:
    mean, low, high = np.mean(rows, 0), np.min(rows, 0), np.max(rows, 0)
    slopes = [f"{mean[i]:.2f} ({low[i]:.2f} to {high[i]:.2f})" for i in (0, 1)]
    print(f"{name:9} {slopes[0]:26} {slopes[1]:26} {mean[2]:5.1f}  {mean[3]:4.0f}  {mean[4]:.2f}")


if __name__ == "__main__":
    print_table()
