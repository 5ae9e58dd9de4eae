"""A task's physics alone as a Gymnasium environment: dm_control's observation, flat, and nothing drawn.

- `StateTask`: what the experts train and are measured on.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("MUJOCO_GL", "disable")  # read when dm_control is imported

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from dm_control import suite

from natural_mujoco.experts.observation import flatten
from natural_mujoco.tasks import find_task

State = npt.NDArray[np.float32]


class StateTask(gym.Env[State, npt.NDArray[np.float32]]):
    """One of the ten tasks, seen as the flat vector of its own observation.

    **Reward** the mean over `action_repeat` control steps, so that it stays in [0, 1] at every repeat.
    `info["return"]` has the undiscounted sum over the episode's control steps at its end. The time limit truncates,
    so that whoever learns bootstraps through it; none of the ten tasks terminates.
    """

    def __init__(self, task: str, action_repeat: int, seed: int = 0) -> None:
        found = find_task(task)
        self._env = suite.load(found.domain, found.task, task_kwargs={"random": seed})
        self._repeat = action_repeat
        self._return = 0.0
        size = len(flatten(self._env.reset().observation))
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.action_space = gym.spaces.Box(-1, 1, self._env.action_spec().shape, np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[State, dict[str, Any]]:
        """Begins an episode; `seed` begins the random stream anew, `options` are positions of joints by name."""
        if seed is not None:
            self._env.task.random.seed(seed)
        self._return = 0.0
        state = flatten(self._env.reset().observation)
        if options:
            physics = self._env.physics
            with physics.reset_context():
                for joint, position in options.items():
                    physics.named.data.qpos[joint] = position
            state = flatten(self._env.task.get_observation(physics))
        return state, {}

    def step(self, action: npt.NDArray[np.float32]) -> tuple[State, float, bool, bool, dict[str, Any]]:
        """Repeats `action` (`float32[n]` in [-1, 1])."""
        rewards = []
        task = self._env.task
        task.get_observation = _nothing  # only the last of the repeated steps is looked at
        try:
            for _ in range(self._repeat):
                time_step = self._env.step(action)
                rewards.append(float(time_step.reward))
                if time_step.last():
                    break
        finally:
            del task.get_observation
        self._return += sum(rewards)
        truncated = time_step.last()
        info = {"return": self._return} if truncated else {}
        state = flatten(task.get_observation(self._env.physics))
        return state, float(np.mean(rewards)), False, truncated, info


def _nothing(physics: Any) -> dict[str, Any]:
    return {}
