"""Environments that several tests use one after the other: creating one takes a quarter of a second.

A seeded reset must make it as good as new, which `tests/test_determinism.py` shows.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from natural_mujoco.environment import NaturalMujocoEnv


class KeptEnvironments:
    """Call it like `gymnasium.make`: the same arguments give the same environment, unwrapped."""

    def __init__(self) -> None:
        self._kept: dict[str, gym.Env[Any, Any]] = {}

    def __call__(self, env_id: str, copy: int = 0, **kwargs: Any) -> NaturalMujocoEnv:
        """The environment of these arguments; another `copy`, another one."""
        key = f"{env_id} {copy} {sorted(kwargs.items())}"
        if key not in self._kept:
            self._kept[key] = gym.make(env_id, **kwargs)
        env = self._kept[key].unwrapped
        assert isinstance(env, NaturalMujocoEnv)
        return env

    def close(self) -> None:
        """Closes them all."""
        for env in self._kept.values():
            env.close()
