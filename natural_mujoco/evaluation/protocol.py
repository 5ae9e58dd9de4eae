"""What a policy is, and the two blind baselines.

- `Policy`: two methods, and a third where it draws at random.
- `ZeroPolicy`, `RandomPolicy`: the references that every score is read against.
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

    It may also have `seed(episode_seeds: Sequence[int])`, called before each `reset`. A policy that draws at random
    gives each row its own generator from these, and then plays the same episodes however they are grouped.

    A policy that is privileged, as only the package's `expert` is, has `attach(environments)`, called before that: the
    environments behind the rows, `None` for rows that are not played.
    """

    def reset(self, num_envs: int) -> None:
        """Forget everything: `num_envs` new episodes begin, one per row of what `act` will get."""

    def act(self, obs: Observations) -> Actions:
        """Actions `float32[N, A]` in [-1, 1] for observations `uint8[N, H, W, 3]`, N as in the last `reset`."""


class ZeroPolicy:
    """Does nothing, which on some tasks pays more than published agents earned."""

    def __init__(self, action_size: int) -> None:
        self._action_size = action_size

    def reset(self, num_envs: int) -> None:
        """Nothing to forget."""

    def act(self, obs: Observations) -> Actions:
        """Zeros."""
        return np.zeros((len(obs), self._action_size), np.float32)


class RandomPolicy:
    """Actions uniform in [-1, 1], each episode's from a generator of its own, seeded by the episode's seed."""

    def __init__(self, action_size: int) -> None:
        self._action_size = action_size
        self._episode_seeds: Sequence[int] = ()
        self._generators: list[np.random.Generator] = []

    def seed(self, episode_seeds: Sequence[int]) -> None:
        """Names the episodes that the next `reset` begins."""
        self._episode_seeds = episode_seeds

    def reset(self, num_envs: int) -> None:
        """Begins every generator anew."""
        seeds = self._episode_seeds or range(num_envs)
        # The environments spawn their streams from the bare seed; the extra word keeps this one apart.
        self._generators = [np.random.default_rng([seed, 1]) for seed in seeds]

    def act(self, obs: Observations) -> Actions:
        """One draw per row."""
        draws = [generator.uniform(-1, 1, self._action_size) for generator in self._generators]
        return np.array(draws, np.float32)
