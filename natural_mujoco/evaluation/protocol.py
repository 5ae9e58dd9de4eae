"""The interface of a policy, and the two blind baselines.

- `Policy`: two methods, and a third if the policy is stochastic.
- `ZeroPolicy`, `RandomPolicy`: the references with which every score is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Actions = npt.NDArray[np.float32]
Observations = npt.NDArray[np.uint8]


@runtime_checkable
class Policy(Protocol):
    """Anything with these two methods can be evaluated; it need not import this package.

    It may also have a method `seed(episode_seeds: Sequence[int])`, which is called before each `reset` with one seed
    for each row. A stochastic policy should give each row its own generator, seeded by these, so that it plays the same
    episodes however they are grouped.

    A privileged policy (only the package's `expert` is one) has a method `attach(environments)`, which is called before
    `seed` with the environment of each row, or `None` for rows that are not played.
    """

    def reset(self, num_envs: int) -> None:
        """Clear all memory: `num_envs` new episodes begin, one for each row of the observations that `act` will get."""

    def act(self, obs: Observations) -> Actions:
        """Actions `float32[N, A]` in [-1, 1] for observations `uint8[N, H, W, 3]`, with N from the last `reset`."""


class ZeroPolicy:
    """Always gives actions of zero, which on some tasks earns more than published agents."""

    def __init__(self, action_size: int) -> None:
        self._action_size = action_size

    def reset(self, num_envs: int) -> None:
        """Does nothing: there is no memory."""

    def act(self, obs: Observations) -> Actions:
        """Zeros, `float32[N, A]`."""
        return np.zeros((len(obs), self._action_size), np.float32)


class RandomPolicy:
    """Actions uniform in [-1, 1], with a generator for each episode, seeded by the episode's seed."""

    def __init__(self, action_size: int) -> None:
        self._action_size = action_size
        self._episode_seeds: Sequence[int] = ()
        self._generators: list[np.random.Generator] = []

    def seed(self, episode_seeds: Sequence[int]) -> None:
        """Sets the seeds of the episodes that the next `reset` begins."""
        self._episode_seeds = episode_seeds

    def reset(self, num_envs: int) -> None:
        """Creates a new generator for each row."""
        seeds = self._episode_seeds or range(num_envs)
        # The environments spawn their streams from the seed itself; the extra 1 makes this stream independent of them.
        self._generators = [np.random.default_rng([seed, 1]) for seed in seeds]

    def act(self, obs: Observations) -> Actions:
        """The next random actions `float32[N, A]`, each row's from its own generator."""
        draws = [generator.uniform(-1, 1, self._action_size) for generator in self._generators]
        return np.array(draws, np.float32)
