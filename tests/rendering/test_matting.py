"""Compositing in 8 bits against the same formula in float64, and the released code's rule."""

from __future__ import annotations

import numpy as np
import pytest

from natural_mujoco.rendering.matting import composite, downsample, paper_matte


def premultiplied(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Random premultiplied RGBA: no colour exceeds its coverage."""
    alpha = rng.choice([0, 1, 64, 127, 128, 254, 255], size=(*shape, 1))
    colour = rng.integers(0, 256, (*shape, 3))
    return np.concatenate([np.round(colour * alpha / 255), alpha], axis=-1).astype(np.uint8)


def test_composite_is_the_over_operator_within_one_grey_level() -> None:
    rng = np.random.default_rng(0)
    foreground = premultiplied(rng, (200, 300))
    video = rng.integers(0, 256, (200, 300, 3), dtype=np.uint8)
    alpha = foreground[..., 3:].astype(np.float64)
    expected = foreground[..., :3] + (255 - alpha) / 255 * video
    assert np.abs(composite(foreground, video) - expected).max() <= 1


def test_composite_is_exact_where_there_is_nothing_to_blend() -> None:
    rng = np.random.default_rng(1)
    foreground = premultiplied(rng, (200, 300))
    video = rng.integers(0, 256, (200, 300, 3), dtype=np.uint8)
    mixed = composite(foreground, video)
    alpha = foreground[..., 3]
    np.testing.assert_array_equal(mixed[alpha == 0], video[alpha == 0])
    np.testing.assert_array_equal(mixed[alpha == 255], foreground[alpha == 255][:, :3])


def test_composite_never_wraps_around() -> None:
    foreground = np.full((1, 1, 4), (255, 255, 255, 128), np.uint8)
    np.testing.assert_array_equal(composite(foreground, np.full((1, 1, 3), 255, np.uint8)), 255)


def test_composite_reads_the_videos_memory_map_and_never_writes() -> None:
    video = np.full((4, 4, 3), 9, np.uint8)
    video.setflags(write=False)
    np.testing.assert_array_equal(composite(np.zeros((4, 4, 4), np.uint8), video), video)


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_downsample_is_the_mean_of_each_block_within_two_grey_levels(factor: int) -> None:
    samples = np.random.default_rng(2).integers(0, 256, (16 * factor, 16 * factor, 4), dtype=np.uint8)
    means = samples.reshape(16, factor, 16, factor, 4).mean(axis=(1, 3))
    assert np.abs(downsample(samples, factor) - means).max() <= 2


@pytest.mark.parametrize("factor", [2, 4])
def test_downsample_keeps_empty_and_full_pixels_exact(factor: int) -> None:
    for value in (0, 255):
        np.testing.assert_array_equal(
            downsample(np.full((8 * factor, 8 * factor, 4), value, np.uint8), factor), value
        )


def test_paper_matte_keeps_what_is_redder_than_100() -> None:
    image = np.zeros((1, 4, 3), np.uint8)
    image[0, :, 0] = 0, 100, 101, 255
    image[..., 1:] = 255
    np.testing.assert_array_equal(paper_matte(image), [[0, 0, 255, 255]])
