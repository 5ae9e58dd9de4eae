"""The embedded set from outside: which clips there are, their exact bytes, their sizes, what bad input says."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from natural_mujoco.backgrounds.embedded import generate
from natural_mujoco.backgrounds.embedded.generate import embedded_ids, generate_clip, generate_frames, resize
from natural_mujoco.backgrounds.library import open_videos
from natural_mujoco.backgrounds.manifest import load_manifest
from natural_mujoco.errors import InvalidArgument

from .sampled_clips import halved

MANIFEST = Path(__file__).resolve().parents[2] / "video_manifests" / "embedded.json"


@pytest.fixture(scope="module")
def pinned() -> dict[str, dict[str, str]]:
    """The hashes that the larger set's manifest pins, by clip and size."""
    videos = json.loads(MANIFEST.with_name("embedded-256.json").read_text(encoding="utf-8"))["videos"]
    return {video["id"]: video["sha256"] for video in videos}


def test_there_are_32_train_and_16_test_clips_and_none_is_in_both() -> None:
    train, test = embedded_ids("train"), embedded_ids("test")
    assert (len(train), len(test)) == (32, 16)
    assert train[0] == "embedded-train-00"
    assert test[-1] == "embedded-test-15"
    assert sorted(set(train + test)) == sorted(train + test)
    assert list(train) == sorted(train)
    assert list(test) == sorted(test)


def test_no_two_clips_share_a_seed_or_a_stream() -> None:
    firsts = set()
    for clip_id in embedded_ids("train", "embedded-256") + embedded_ids("test"):
        firsts.update(generate.clip_stream(clip_id).bits(1000).tolist())
    assert len(firsts) == 272 * 1000


def test_the_larger_set_has_the_clips_of_the_smaller_one_and_more_to_train_on() -> None:
    small, large = load_manifest("embedded"), load_manifest("embedded-256")
    assert all(large.ids(split) == embedded_ids(split, "embedded-256") for split in ("train", "test"))
    assert [len(large.ids(split)) for split in ("train", "test")] == [256, 16]
    assert all(video in large.videos for video in small.videos)
    assert (large.collection, large.source) == (small.collection, small.source)
    assert len({h for video in large.videos for h in video.sha256.values()}) == 272 * 3
    tests = {open_videos(name).frames_hash(64, "test") for name in ("embedded", "embedded-256")}
    assert len(tests) == 1, "returns in front of the test clips of both belong in one column"


def test_the_manifest_lists_these_clips_and_pins_three_sizes(pinned: dict[str, dict[str, str]]) -> None:
    manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    for split in ("train", "test"):
        assert [v["id"] for v in manifest["videos"] if v["split"] == split] == list(embedded_ids(split))
    assert {v["frames"] for v in manifest["videos"]} == {generate.EMBEDDED_FRAMES}
    assert all(set(hashes) == {"64", "84", "128"} for hashes in pinned.values())
    assert {v["id"]: v["sha256"] for v in manifest["videos"]}.items() <= pinned.items()


# Every kind of scene once, both splits, all four lights.
@pytest.mark.parametrize(
    ("clip_id", "size"),
    [
        ("embedded-train-00", 64),
        ("embedded-train-09", 64),
        ("embedded-train-18", 64),
        ("embedded-train-27", 64),
        ("embedded-train-31", 64),
        ("embedded-train-255", 64),
        ("embedded-test-04", 64),
        ("embedded-test-13", 64),
        ("embedded-test-14", 84),
        ("embedded-test-07", 128),
    ],
)
def test_frames_are_the_bytes_that_the_manifest_pins(
    clip_id: str, size: int, pinned: dict[str, dict[str, str]]
) -> None:
    frames = generate_clip(clip_id, size)
    assert frames.shape == (500, size, size, 3)
    assert frames.dtype == np.uint8
    assert hashlib.sha256(frames.tobytes()).hexdigest() == pinned[clip_id][str(size)]


def test_single_frames_are_those_of_the_whole_clip_in_the_order_asked_for() -> None:
    order = [499, 0, 250, 250]
    assert (
        generate_frames("embedded-test-05", 64, order) == generate_clip("embedded-test-05", 64)[order]
    ).all()


def test_size_64_is_the_mean_of_two_by_two_pixels_of_128_halves_rounded_up() -> None:
    indices = [0, 123, 499]
    for clip_id in ("embedded-train-03", "embedded-test-12"):
        native = generate_frames(clip_id, 128, indices)
        assert (generate_frames(clip_id, 64, indices) == halved(native)).all()


@pytest.mark.parametrize("size", [1, 2, 63, 64, 84, 100, 127])
def test_smaller_sizes_average_the_area_a_pixel_covers(size: int) -> None:
    frame = _noise(128)
    resized = resize(frame, size)
    for row, column in {(0, 0), (size // 2, size // 3), (size - 1, size - 1)}:
        expected = [_area_mean(frame[..., channel], size, row, column) for channel in range(3)]
        assert resized[row, column].tolist() == expected


@pytest.mark.parametrize("size", [129, 200, 256, 1024])
def test_larger_sizes_interpolate_between_pixel_centres(size: int) -> None:
    frame = _noise(128)
    resized = resize(frame, size)
    for row, column in {(0, 0), (size // 2, size // 3), (size - 2, size - 1)}:
        expected = [_bilinear(frame[..., channel], size, row, column) for channel in range(3)]
        assert resized[row, column].tolist() == expected


def test_resizing_to_the_same_size_and_resizing_one_colour_change_nothing() -> None:
    frame = _noise(128)
    assert (resize(frame, 128) == frame).all()
    for size in (1, 50, 84, 300, 1024):
        assert (resize(np.full((128, 128, 3), 255, np.uint8), size) == 255).all()


def test_extreme_sizes_are_generated_too() -> None:
    assert generate_frames("embedded-train-02", 1, [7]).shape == (1, 1, 1, 3)
    assert generate_frames("embedded-train-02", 1024, [7]).shape == (1, 1024, 1024, 3)


@pytest.mark.parametrize("size", [0, -64, 1025, 64.0, "64", None, True])
def test_a_size_that_cannot_be_is_refused_with_the_valid_range(size: object) -> None:
    with pytest.raises(InvalidArgument, match=r"from 1 to 1024") as error:
        generate_clip("embedded-train-00", size)  # type: ignore[arg-type]
    assert repr(size) in str(error.value)


@pytest.mark.parametrize(
    "clip_id",
    ["embedded-train-256", "embedded-test-16", "embedded-train-0", "embedded-train-007", "", "train"],
)
def test_an_unknown_clip_is_refused_with_the_valid_ones(clip_id: str) -> None:
    with pytest.raises(InvalidArgument, match="embedded-train-00 to 255 and embedded-test-00 to 15") as error:
        generate_clip(clip_id, 64)
    assert repr(clip_id) in str(error.value)


def test_an_unknown_split_or_frame_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"'validation'.*train, test"):
        embedded_ids("validation")
    with pytest.raises(InvalidArgument, match=r"'embedded-512'.*embedded, embedded-256"):
        embedded_ids("train", "embedded-512")
    for index in (-1, 500):
        with pytest.raises(InvalidArgument, match="0 to 499"):
            generate_frames("embedded-train-00", 64, [index])


def _noise(size: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)


def _round_half_up(value: Fraction) -> int:
    return int(value + Fraction(1, 2))


def _area_mean(plane: NDArray[np.uint8], size: int, row: int, column: int) -> int:
    """The mean of `plane` over one target pixel, in exact fractions of source pixels."""
    scale = Fraction(plane.shape[0], size)

    def overlaps(start: Fraction) -> dict[int, Fraction]:
        stop = start + scale
        return {
            i: min(stop, Fraction(i + 1)) - max(start, Fraction(i))
            for i in range(plane.shape[0])
            if i < stop and i + 1 > start
        }

    rows, columns = overlaps(row * scale), overlaps(column * scale)
    total = sum(wr * wc * int(plane[i, j]) for i, wr in rows.items() for j, wc in columns.items())
    return _round_half_up(total / (scale * scale))


def _bilinear(plane: NDArray[np.uint8], size: int, row: int, column: int) -> int:
    """`plane` between the four pixel centres about a target pixel's centre, in exact fractions, edges repeated."""
    last = plane.shape[0] - 1

    def at(position: int) -> list[tuple[int, Fraction]]:
        centre = (position + Fraction(1, 2)) * plane.shape[0] / size - Fraction(1, 2)
        left = centre.numerator // centre.denominator
        part = centre - left
        return [(min(max(left, 0), last), 1 - part), (min(max(left + 1, 0), last), part)]

    total = sum(wr * wc * int(plane[i, j]) for i, wr in at(row) for j, wc in at(column))
    return _round_half_up(Fraction(total))
