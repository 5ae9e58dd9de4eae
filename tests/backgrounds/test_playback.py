"""Which frame is due when, and clips drawn evenly."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from natural_mujoco import InvalidArgument
from natural_mujoco.backgrounds.playback import Playback, frame_at
from natural_mujoco.options import PLAYBACKS


class Shelf(SimpleNamespace):
    """As much of a video library as playback uses: clips of 4, 2 and 1000 frames that show their numbers."""

    name = "shelf"
    lengths = {"a": 4, "b": 2, "c": 1000}  # noqa: RUF012

    def __init__(self) -> None:
        self.opened: list[str] = []

    def ids(self, split: str) -> tuple[str, ...]:
        return tuple(self.lengths)

    def frames(self, clip: str, size: int, coming: Iterable[str] = ()) -> np.ndarray[Any, np.dtype[np.uint8]]:
        self.opened.append(clip)
        numbers = np.arange(self.lengths[clip]) % 256
        return np.broadcast_to(
            numbers.astype(np.uint8)[:, None, None, None], (self.lengths[clip], size, size, 3)
        )


def cycle(playback: str, frames: int) -> list[int]:
    """The numbers that repeat, written down as a list."""
    return {
        "loop": [*range(frames)],
        "pingpong": [*range(frames), *range(frames - 2, 0, -1)],
        "still": [0],
    }[playback]


@given(frames=st.integers(2, 40), start=st.integers(0, 39), steps=st.integers(0, 300))
@pytest.mark.parametrize("playback", ["loop", "pingpong"])
def test_frames_follow_the_cycle(playback: str, frames: int, start: int, steps: int) -> None:
    start %= frames
    numbers = cycle(playback, frames)
    assert frame_at(playback, start, steps, frames) == numbers[(start + steps) % len(numbers)]


@given(frames=st.integers(2, 40), steps=st.integers(0, 300))
def test_neighbouring_frames_follow_each_other(frames: int, steps: int) -> None:
    shown = [frame_at("pingpong", 0, steps + more, frames) for more in range(2)]
    assert abs(shown[0] - shown[1]) == 1
    assert frame_at("still", frames - 1, steps, frames) == frames - 1


def test_the_three_ways_of_playing() -> None:
    assert PLAYBACKS == ("loop", "pingpong", "still")


@pytest.mark.parametrize("playback", PLAYBACKS)
def test_playback_shows_what_frame_at_says(playback: str) -> None:
    player = Playback(Shelf(), "train", playback, size=2)
    player.start(np.random.default_rng(0), video="a", frame=2)
    for step in range(9):
        assert player.number == frame_at(playback, 2, step, 4)
        np.testing.assert_array_equal(player.frame(), np.full((2, 2, 3), player.number))
        player.advance()


def test_clips_and_first_frames_are_drawn_evenly() -> None:
    player, rng = Playback(Shelf(), "train", "loop", size=1), np.random.default_rng(0)
    drawn = []
    for _ in range(3000):
        player.start(rng)
        drawn.append((player.video, player.number))
    for clip, frames in Shelf.lengths.items():
        numbers = [number for video, number in drawn if video == clip]
        assert 900 < len(numbers) < 1100
        assert {min(numbers), max(numbers)} <= set(range(frames))
        assert max(numbers) >= 0.99 * (frames - 1)
        assert min(numbers) <= 0.01 * frames


def test_a_clip_that_goes_on_is_not_opened_again() -> None:
    shelf = Shelf()
    player, rng = Playback(shelf, "train", "loop", size=1), np.random.default_rng(0)
    for video in ("a", "a", "b", "a"):
        player.start(rng, video=video)
    assert shelf.opened == ["a", "b", "a"]


def test_a_refused_start_leaves_playback_and_generator_alone() -> None:
    player, rng = Playback(Shelf(), "train", "loop", size=1), np.random.default_rng(0)
    player.start(rng, video="a", frame=3)
    state = rng.bit_generator.state
    for pinned in ({"video": "z"}, {"video": "b", "frame": 2}, {"frame": 1000}, {"frame": -1}):
        with pytest.raises(InvalidArgument):
            player.start(rng, **pinned)
    assert rng.bit_generator.state == state
    assert (player.video, player.number) == ("a", 3)
    player.advance()
    assert player.number == 0
