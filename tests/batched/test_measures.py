"""Rewards and observations as tensor code: dm_control's own on the same states, of random and of expert play."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from natural_mujoco import TASKS, Task
from natural_mujoco.batched.measures import State, make_measures
from natural_mujoco.experts import load_expert
from natural_mujoco.experts.observation import flatten
from natural_mujoco.rendering.gl import import_dm_control


def state_of(physics: Any) -> tuple[np.ndarray, ...]:
    """One world's row of a `State`, copied."""
    data = physics.data
    return tuple(
        np.array(x)
        for x in (
            data.qpos,
            data.qvel,
            data.act,
            data.ctrl,
            data.xpos,
            data.xmat.reshape(-1, 3, 3),
            data.geom_xpos,
            data.site_xpos,
            data.sensordata,
        )
    )


@pytest.mark.parametrize("states", [250, pytest.param(1000, marks=pytest.mark.batched)])
@pytest.mark.parametrize("play", ["random", "expert"])
@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_they_are_dm_controls_own_on_the_same_states(task: Task, play: str, states: int) -> None:
    env = import_dm_control().load(task.domain, task.task, task_kwargs={"random": 3})
    rng, expert = np.random.default_rng(0), load_expert(task.name)
    size = env.action_spec().shape
    timestep = env.reset()
    seen, rewards, observations = [], [], []
    for _ in range(states):
        observation = flatten(timestep.observation)
        action = expert.act(observation) if play == "expert" else rng.uniform(-1.2, 1.2, size)
        timestep = env.step(action)
        seen.append(state_of(env.physics))
        rewards.append(timestep.reward)
        observations.append(np.concatenate([np.ravel(x) for x in timestep.observation.values()]))
    measures = make_measures(task, env.physics.model.ptr)
    double = State(*(torch.from_numpy(np.stack(column)) for column in zip(*seen, strict=True)))
    np.testing.assert_allclose(measures.observation(double), observations, atol=1e-9)
    np.testing.assert_allclose(measures.reward(double), rewards, atol=1e-9)
    single = State(*(x.float() for x in double))
    np.testing.assert_allclose(measures.observation(single), observations, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(measures.reward(single), rewards, atol=1e-5)
    assert play == "random" or max(rewards) > 0
