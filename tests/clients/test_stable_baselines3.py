"""`SB3VecEnv` against Stable-Baselines3's own `DummyVecEnv` of the same environments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import SAC
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from natural_mujoco import InvalidArgument
from natural_mujoco.clients.stable_baselines3 import SB3VecEnv

ID = "NaturalMujoco/CartpoleSwingup-v0"
KWARGS: dict[str, Any] = {"size": 40, "action_repeat": 250}


@pytest.fixture(scope="module")
def envs(plain_clips: Path) -> Iterator[SB3VecEnv]:
    made = SB3VecEnv(
        ID, num_envs=2, workers=1, videos=plain_clips, render_mode="rgb_array", render_size=32, **KWARGS
    )
    yield made
    made.close()


def test_it_lives_through_the_episodes_of_dummy_vec_env(envs: SB3VecEnv, plain_clips: Path) -> None:
    plain = DummyVecEnv([lambda: gym.make(ID, videos=plain_clips, **KWARGS)] * 2)
    for one in (envs, plain):
        one.seed(3)
    np.testing.assert_array_equal(envs.reset(), plain.reset())
    assert envs.reset_infos == plain.reset_infos
    for step in range(9):  # into the third episode
        actions = np.full((2, 1), 0.2 * (-1) ** step, np.float32)
        ours, theirs = envs.step(actions), plain.step(actions)
        for mine, expected in zip(ours[:3], theirs[:3], strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-6)
        for info, other in zip(ours[3], theirs[3], strict=True):
            assert ("terminal_observation" in info) == (step % 4 == 3)
            if "terminal_observation" in info:
                np.testing.assert_array_equal(
                    info.pop("terminal_observation"), other.pop("terminal_observation")
                )
            assert info == other
    plain.close()


def test_sac_fills_its_replay_and_is_evaluated(envs: SB3VecEnv) -> None:
    agent = SAC(
        "CnnPolicy", VecMonitor(envs), buffer_size=20, learning_starts=4, batch_size=4, device="cpu"
    ).learn(8)
    assert agent.replay_buffer is not None
    assert agent.replay_buffer.size() == 4
    assert len(agent.ep_info_buffer or ()) == 2, "VecMonitor reports episodes"
    mean, _ = evaluate_policy(agent, VecMonitor(envs), n_eval_episodes=2)
    assert 0 <= float(mean) <= 1000  # type: ignore[arg-type]


def test_attributes_methods_and_pictures(envs: SB3VecEnv) -> None:
    envs.set_options({"video": "red"})
    envs.reset()
    assert [info["background"]["video"] for info in envs.reset_infos] == ["red", "red"]
    assert envs.get_attr("control_steps") == [0, 0]
    assert envs.get_attr("action_repeat", indices=1) == [250]
    assert not envs.has_attr("nothing")
    with pytest.raises(AttributeError, match="nothing"):
        envs.get_attr("nothing")
    envs.set_attr("note", "b")
    envs.set_attr("note", "a", indices=[1])
    assert envs.get_attr("note") == ["b", "a"]
    assert len(envs.env_method("render")) == 2
    with pytest.raises(InvalidArgument, match="indices"):
        envs.env_method("render", indices=[0])
    picture = envs.render(mode="rgb_array")
    assert picture is not None
    assert picture.shape == (64, 32, 3) or picture.shape == (32, 64, 3)
    envs.set_options([{"video": "red"}, {"video": "blue"}])  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="one dict for all"):
        envs.reset()
