"""The expert under evaluation: it reads the physics of the very episode it plays, and records say so."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from natural_mujoco import find_task
from natural_mujoco.evaluation.conditions import episode_seeds
from natural_mujoco.evaluation.plan import resolve_videos
from natural_mujoco.evaluation.policy_source import find_policy
from natural_mujoco.evaluation.rollout import Block, play
from natural_mujoco.experts import EXPERTS, load_expert
from natural_mujoco.experts.observation import flatten

REPEAT, ROW = 8, 4


@pytest.mark.parametrize("task", EXPERTS)
def test_it_plays_as_the_expert_does_on_dm_controls_own_observations(task: str, plain_clips: Path) -> None:
    """Another episode's state, or that of the step before, would show."""
    block = Block(
        source=dataclasses.replace(find_policy("expert"), action_repeat=REPEAT),
        task=task,
        condition="natural-test",
        training_seed=0,
        seeds=episode_seeds(0, 10),
        wanted=(ROW,),
        videos=str(plain_clips),
        video_set=resolve_videos(str(plain_clips)),
    )
    [episode] = play(block)
    expert = load_expert(task)
    env = gym.make(find_task(task).standard_id)
    env.reset(seed=episode.episode_seed)
    inner = env.unwrapped.dm_control_env  # type: ignore[attr-defined]
    observation, total, over = inner.task.get_observation(inner.physics), 0.0, False
    states = np.zeros((10, expert.card.observation_size))  # a batch of one may differ in the last bit
    while not over:
        states[ROW] = flatten(observation)
        action = expert.act(states)[ROW]
        for _ in range(REPEAT):
            time_step = inner.step(action)
            total += time_step.reward
        observation, over = time_step.observation, time_step.last()
    env.close()
    assert episode.return_ == pytest.approx(total, abs=1e-6)


def test_only_the_expert_is_privileged() -> None:
    assert find_policy("expert").privileged == "state"
    assert len(find_policy("expert").digest or "") == 64
    assert find_policy("zero").privileged is None
    assert find_policy("tests.evaluation.policies:Steady").privileged is None
