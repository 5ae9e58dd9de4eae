"""The environments in other people's hands: checkers on all twenty ids, and a trainer."""

from __future__ import annotations

import warnings
from pathlib import Path

import gymnasium as gym
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from natural_mujoco import TASKS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what TorchRL warns of when it is imported is its own affair
    from torchrl.envs import GymEnv
    from torchrl.envs.utils import check_env_specs

IDS = [env_id for task in TASKS.values() for env_id in (task.natural_id, task.standard_id)]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(params=IDS)
def env_id(request: pytest.FixtureRequest) -> str:
    return request.param  # type: ignore[no-any-return]


def videos(env_id: str, folder: Path) -> dict[str, str]:
    """The keyword argument that natural ids take."""
    return {} if "Standard" in env_id else {"videos": str(folder)}


@pytest.mark.filterwarnings("error")
def test_stable_baselines_checker_has_nothing_to_say(env_id: str, plain_clips: Path) -> None:
    env = gym.make(env_id, **videos(env_id, plain_clips))
    sb3_check_env(env, warn=True)  # its check of render() closes the environment and then goes on to use it
    env.close()


def test_torchrl_checks_its_specs(env_id: str, plain_clips: Path) -> None:
    env = GymEnv(env_id, **videos(env_id, plain_clips))
    check_env_specs(env)
    rollout = env.rollout(3)
    assert rollout["next", "pixels"].shape == (3, 64, 64, 3)
    assert rollout["next", "pixels"].dtype == torch.uint8
    env.close()


def test_ppo_trains_2000_steps_on_pixels(plain_clips: Path) -> None:
    env = gym.make("NaturalMujoco/CartpoleSwingup-v0", videos=plain_clips)
    agent = PPO("CnnPolicy", env, n_steps=125, batch_size=125, n_epochs=1, seed=0, device="cpu")
    before = [parameter.detach().clone() for parameter in agent.policy.parameters()]
    agent.learn(2000)
    assert agent.num_timesteps == 2000
    assert any(not torch.equal(old, new) for old, new in zip(before, agent.policy.parameters(), strict=True))
    assert len(agent.ep_info_buffer or ()) == 4, "episodes are 500 agent steps long"
    observation, _ = env.reset(seed=0)
    action, _ = agent.predict(observation)
    assert env.action_space.contains(action)
    env.close()
