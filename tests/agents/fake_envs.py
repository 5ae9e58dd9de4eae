"""A vector environment without a simulator: frames that name their seed and step, episodes of chosen lengths."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space


def fake_state(seed: int, step: int) -> dict[str, np.ndarray]:
    """The state that a fake frame stands for, in the layout of reacher-easy."""
    rng = np.random.default_rng([int(seed), int(step)])
    return {name: rng.normal(size=2) for name in ("position", "to_target", "velocity")}


class FakeEnvs(gym.vector.VectorEnv):
    """Resets in the step after an episode's end. Pixel 0 is the seed's low byte, pixel 1 the step, the rest noise.

    The reward of a step is its mean action plus one, so that returns and frames depend on what was done.
    """

    def __init__(self, num_envs: int, lengths: tuple[int, ...] = (10,), **kwargs: Any) -> None:
        self.num_envs, self.kwargs = num_envs, kwargs
        self.lengths = np.resize(np.array(lengths), num_envs)
        self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}
        self.single_observation_space = gym.spaces.Box(0, 255, (64, 64, 3), np.uint8)
        self.single_action_space = gym.spaces.Box(-1, 1, (2,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.seeds_seen: list[list[int]] = []
        self.options_seen: list[Any] = []
        self.steps_taken = 0

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        self.seeds_seen.append(list(seed))
        self.options_seen.append(options)
        self.streams = [np.random.default_rng(s) for s in seed]
        self.seeds = np.array(seed) % 256
        self.row = np.zeros(self.num_envs, int)
        self.ended = np.zeros(self.num_envs, bool)
        return self._frames(), self._info()

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        self.steps_taken += 1
        first = self.ended
        self.row = np.where(first, 0, self.row + 1)
        rewards = np.where(first, 0, 1 + actions.mean(1))
        self.ended = ~first & (self.row == self.lengths)
        return self._frames(), rewards, np.zeros(self.num_envs, bool), self.ended.copy(), self._info()

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        assert name == "task_observation"
        return tuple(fake_state(seed, step) for seed, step in zip(self.seeds, self.row, strict=True))

    def _frames(self) -> np.ndarray:
        frames = np.stack([s.integers(0, 256, (64, 64, 3), dtype=np.uint8) for s in self.streams])
        frames[:, 0, 0, 0], frames[:, 0, 1, 0] = self.seeds, self.row
        return frames

    def _info(self) -> dict[str, Any]:
        return {
            "control_steps": 2 * self.row,
            "background": {
                "video": np.array([f"clip-{s}" for s in self.seeds], object),
                "frame": self.row.copy(),
            },
        }
