"""RLlib and Tianshou by their usual entry points: `make test-clients`, which installs them where nothing else lies."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

pytestmark = [pytest.mark.clients, pytest.mark.filterwarnings("ignore")]
ID = "natural_mujoco:NaturalMujoco/CartpoleSwingup-v0"


@pytest.mark.parametrize("runners", [0, 1])
def test_rllib_trains(runners: int) -> None:
    from examples import rllib_ppo

    flags = ["--iterations", "2", "--num-envs", "2", "--batch", "40", "--action-repeat", "50"]
    mean = rllib_ppo.main([*flags, "--runners", str(runners)])
    assert 0 < mean < 1000


def test_tianshou_trains() -> None:
    from examples import tianshou_ppo

    flags = ["--epochs", "1", "--steps", "80", "--num-envs", "2", "--action-repeat", "50"]
    assert tianshou_ppo.main(flags) == 80


@pytest.mark.parametrize("kind", ["DummyVectorEnv", "SubprocVectorEnv", "ShmemVectorEnv"])
def test_tianshous_environments_give_the_episodes_of_single_ones(kind: str) -> None:
    import tianshou.env

    def make() -> gym.Env:
        return gym.make(ID, videos="embedded", action_repeat=100)

    context = {"context": "spawn"} if kind == "SubprocVectorEnv" else {}
    envs = getattr(tianshou.env, kind)([make] * 2, **context)
    actions = np.random.default_rng(0).uniform(-1, 1, (10, 2, 1)).astype(np.float32)
    observations, _ = envs.reset(seed=3)  # for each of them
    for step in actions:
        observations, rewards, _, truncated, _ = envs.step(step)
    envs.close()
    for index in range(2):
        env = make()
        env.reset(seed=3)
        for step in actions:
            observation, reward, _, over, _ = env.step(step[index])
        env.close()
        assert np.array_equal(observation, observations[index])
        assert reward == rewards[index]
        assert over
        assert truncated[index]
