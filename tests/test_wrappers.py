"""Gymnasium's own tools: its checker and specs on all twenty ids, its wrappers. Needs no torch."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio.v3 as iio
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import (
    FrameStackObservation,
    GrayscaleObservation,
    RecordEpisodeStatistics,
    RecordVideo,
)

from natural_mujoco import TASKS

from .clips import read_film

IDS = [env_id for task in TASKS.values() for env_id in (task.natural_id, task.standard_id)]


@pytest.fixture(params=IDS)
def env_id(request: pytest.FixtureRequest) -> str:
    return request.param  # type: ignore[no-any-return]


def videos(env_id: str, folder: Path) -> dict[str, str]:
    """The keyword argument that natural ids take."""
    return {} if "Standard" in env_id else {"videos": str(folder)}


@pytest.mark.filterwarnings("error")
def test_gymnasiums_checker_has_nothing_to_say(env_id: str, plain_clips: Path) -> None:
    env = gym.make(env_id, render_mode="rgb_array", render_size=64, **videos(env_id, plain_clips))
    check_env(env.unwrapped)
    env.close()


def test_an_environment_is_rebuilt_from_its_spec(env_id: str, footage: Path) -> None:
    kwargs: dict[str, Any] = {"size": 40, "action_repeat": 3, **videos(env_id, footage)}
    if "Standard" not in env_id:
        kwargs |= {"split": "test", "playback": "pingpong"}
    env = gym.make(env_id, **kwargs)
    assert env.spec is not None
    read = EnvSpec.from_json(env.spec.to_json())
    assert read == pickle.loads(pickle.dumps(env.spec)) == env.spec
    assert json.loads(env.spec.to_json())["kwargs"].items() >= kwargs.items()
    rebuilt = gym.make(read)
    assert rebuilt.spec == env.spec
    action = np.full(env.action_space.shape, 0.3, np.float32)
    for one, other in (
        (env.reset(seed=5), rebuilt.reset(seed=5)),
        (env.step(action), rebuilt.step(action)),
    ):
        np.testing.assert_array_equal(one[0], other[0])
        assert one[1:] == other[1:]
    env.close()
    rebuilt.close()


@pytest.mark.parametrize("env_id", ["NaturalMujoco/WalkerWalk-v0", "NaturalMujoco/WalkerWalkStandard-v0"])
def test_record_video_writes_every_frame_at_the_speed_of_the_task(
    env_id: str, tmp_path: Path, plain_clips: Path
) -> None:
    env = gym.make(
        env_id, render_mode="rgb_array", render_size=96, action_repeat=100, **videos(env_id, plain_clips)
    )
    recorded = RecordVideo(env, str(tmp_path / "videos"), name_prefix="walk", disable_logger=True)
    recorded.reset(seed=0)
    truncated, pictures = False, [recorded.render()]
    while not truncated:
        _, _, _, truncated, _ = recorded.step(recorded.action_space.sample())
        pictures.append(recorded.render())
    recorded.close()
    (path,) = (tmp_path / "videos").glob("walk*.mp4")
    assert iio.immeta(path, plugin="pyav")["fps"] == pytest.approx(env.metadata["render_fps"], rel=0.01)
    frames = read_film(path).astype(float)
    assert frames.shape == (11, 96, 96, 3)
    assert np.abs(frames - np.stack(pictures)).mean() < 12, "compression aside, these are the pictures"


def test_observation_wrappers(plain_clips: Path) -> None:
    env = gym.make("NaturalMujoco/ReacherEasy-v0", videos=plain_clips)
    stacked = FrameStackObservation(GrayscaleObservation(env), 4)
    observation, _ = stacked.reset(seed=0)
    assert observation.shape == stacked.observation_space.shape == (4, 64, 64)
    after, *_ = stacked.step(np.zeros(2, np.float32))
    np.testing.assert_array_equal(after[:3], observation[1:])
    assert after.dtype == np.uint8
    env.close()


def test_episode_statistics_of_one_and_of_many(plain_clips: Path) -> None:
    kwargs = {"videos": plain_clips, "action_repeat": 250}
    env = RecordEpisodeStatistics(gym.make("NaturalMujoco/CartpoleBalance-v0", **kwargs))
    env.reset(seed=3)
    rewards, truncated = [], False
    while not truncated:
        _, reward, _, truncated, info = env.step(np.zeros(1, np.float32))
        rewards.append(float(reward))
    assert info["episode"]["l"] == 4
    assert info["episode"]["r"] == pytest.approx(sum(rewards))
    env.close()

    envs = gym.wrappers.vector.RecordEpisodeStatistics(
        gym.make_vec("NaturalMujoco/CartpoleBalance-v0", num_envs=2, workers=1, **kwargs)
    )
    envs.reset(seed=3)
    for _ in range(4):
        *_, infos = envs.step(np.zeros((2, 1), np.float32))
    np.testing.assert_array_equal(infos["episode"]["l"], [4, 4])
    assert infos["episode"]["r"][0] == pytest.approx(sum(rewards))
    envs.close()
