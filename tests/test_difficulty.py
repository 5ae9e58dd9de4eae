"""The two axes of difficulty: `strength`, exact at both ends, and `num_videos`, the first so many of a fixed order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from natural_mujoco import TASKS, InvalidArgument, NaturalMujocoEnv, Task
from natural_mujoco.rendering.matting import fade
from natural_mujoco.rendering.views import NaturalView


def rollout(task: Task, steps: int = 1, natural: bool = True, **kwargs: Any) -> np.ndarray:
    env = NaturalMujocoEnv(task.id_name, natural, **kwargs)
    seen = [env.reset(seed=5)[0]]
    seen += [env.step(np.full(env.action_space.shape, 0.4, np.float32))[0] for _ in range(steps)]
    env.close()
    return np.array(seen)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
def test_strength_goes_from_the_standard_ids_pixels_to_the_natural_ids(task: Task, plain_clips: Path) -> None:
    standard = rollout(task, natural=False)
    natural = rollout(task, videos=plain_clips)
    assert not np.array_equal(standard, natural)
    np.testing.assert_array_equal(rollout(task, videos=plain_clips, strength=0), standard)
    half = rollout(task, videos=plain_clips, strength=0.25)
    wanted = 0.75 * standard.astype(float) + 0.25 * natural
    assert np.abs(half - wanted).max() <= 0.5


@pytest.mark.parametrize("matte", ["semantic", "paper"])
def test_rendering_and_matte_hold_for_both_ends(matte: Any, plain_clips: Path) -> None:
    task = TASKS["CheetahRun"]
    standard = rollout(task, natural=False, rendering="fast")
    kwargs: dict[str, Any] = {"videos": plain_clips, "rendering": "fast", "matte": matte}
    np.testing.assert_array_equal(rollout(task, strength=0, **kwargs), standard)
    np.testing.assert_array_equal(rollout(task, strength=1, **kwargs), rollout(task, **kwargs))


def test_the_whole_strength_takes_the_path_that_it_always_took(plain_clips: Path) -> None:
    for kwargs in ({}, {"strength": 1}, {"strength": np.float32(1)}):
        env = NaturalMujocoEnv("WalkerWalk", videos=plain_clips, **kwargs)  # type: ignore[arg-type]
        assert type(env._view) is NaturalView
        env.close()


def test_matte_video_and_people_are_those_of_the_whole_strength(plain_clips: Path) -> None:
    seen = []
    for strength in (0.5, 1.0):
        env = NaturalMujocoEnv(
            "FingerSpin", videos=plain_clips, strength=strength, render_mode="rgb_array", render_size=32
        )
        _, info = env.reset(seed=2)
        seen.append((env.matte, info, env.render()))
        env.close()
    np.testing.assert_array_equal(seen[0][0], seen[1][0])
    assert seen[0][1] == seen[1][1]
    assert not np.array_equal(seen[0][2], seen[1][2])


def test_mixing_rounds_in_integers() -> None:
    a, b = np.arange(256, dtype=np.uint8).reshape(16, 16, 1), np.full((16, 16, 1), 255, np.uint8)
    np.testing.assert_array_equal(fade(a, b, 0.0), a)
    np.testing.assert_array_equal(fade(a, b, 1.0), b)
    np.testing.assert_array_equal(fade(a, b, 0.5), np.floor(a / 2 + 255 / 2 + 0.5).astype(np.uint8))


def test_the_first_videos_in_the_order_of_their_ids() -> None:
    order = NaturalMujocoEnv("WalkerWalk", videos="embedded").playback
    assert order is not None
    for count in (1, 4, 32):
        env = NaturalMujocoEnv("WalkerWalk", videos="embedded", num_videos=np.int64(count))  # type: ignore[arg-type]
        assert env.playback is not None
        assert env.playback.videos == order.videos[:count] == tuple(sorted(order.videos))[:count]
        env.close()
    weak: Any = {"videos": "embedded", "num_videos": 1, "strength": 0.5}
    envs = gym.make_vec("NaturalMujoco/WalkerWalk-v0", num_envs=2, workers=1, **weak)
    try:
        _, infos = envs.reset(seed=0)
        assert set(infos["background"]["video"]) == {"embedded-train-00"}
        single = NaturalMujocoEnv("WalkerWalk", **weak)
        np.testing.assert_array_equal(envs.reset(seed=[3, 4])[0][1], single.reset(seed=4)[0])
        single.close()
    finally:
        envs.close()


BAD = [
    (
        {"num_videos": 0},
        "num_videos is 0; it must be a whole number from 1 to 32, the training videos of embedded",
    ),
    ({"num_videos": 33}, "num_videos is 33; it must be a whole number from 1 to 32"),
    ({"num_videos": True}, "num_videos is True"),
    ({"num_videos": 4.0}, "num_videos is 4.0"),
    (
        {"num_videos": 4, "split": "test"},
        "num_videos=4 counts training videos; leave it out with split='test'",
    ),
    ({"strength": 1.01}, "strength is 1.01; it must be a number from 0 to 1"),
    ({"strength": float("nan")}, "strength is nan"),
    ({"strength": "0.5"}, "strength is '0.5'"),
    ({"strength": True}, "strength is True"),
]


@pytest.mark.parametrize(("kwargs", "message"), BAD)
def test_what_cannot_be_meant_is_one_sentence(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        NaturalMujocoEnv("WalkerWalk", videos="embedded", **kwargs)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kwargs", [{"num_videos": 1}, {"strength": 0.5}, {"strength": 1.0}])
def test_standard_ids_have_no_video_to_weaken(kwargs: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match="means nothing on a standard environment"):
        NaturalMujocoEnv("WalkerWalk", natural=False, **kwargs)
