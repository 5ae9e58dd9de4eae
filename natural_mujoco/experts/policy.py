"""The expert as a policy for the evaluation: it ignores the pixels and reads the physical state.

- `ExpertPolicy`: the policy; `attach` gives it the environments to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .expert import Expert, load_expert
from .observation import flatten


class ExpertPolicy:
    """Acts as the expert of `task`, from the physical state of the environments given to `attach`.

    Raises what `load_expert` raises.
    """

    def __init__(self, task: str) -> None:
        self.expert: Expert = load_expert(task)
        self._environments: Sequence[Any] = ()

    def attach(self, environments: Sequence[Any]) -> None:
        """Sets the environment of each row of `act`; `None` for a row that is not played."""
        self._environments = environments

    def reset(self, num_envs: int) -> None:
        """Does nothing: the expert has no memory."""

    def act(self, obs: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Greedy actions `float32[N, A]` for the present states of the attached environments; `obs` is not read."""
        states = np.zeros((len(obs), self.expert.card.observation_size), np.float32)
        for state, environment in zip(states, self._environments, strict=True):
            if environment is not None:
                state[:] = observe(environment)
        return self.expert.act(states)


def observe(environment: Any) -> npt.NDArray[np.float32]:
    """The present state `float32[D]` of one of this package's environments, as its expert reads it."""
    return flatten(environment.unwrapped.task_observation)
