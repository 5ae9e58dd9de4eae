"""Plays one episode of a recording and keeps everything that a study may ask for.

- `EpisodeData`: the arrays of an episode: T steps, T + 1 observations.
- `play`: plays an episode from a seed, with noise on the policy's actions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from ..evaluation.episodes import play_episodes
from ..evaluation.protocol import Actions, Observations, Policy

Array = npt.NDArray[Any]


class EpisodeData(NamedTuple):
    """The arrays of an episode of T steps; observations and infos have one more entry, the one from the reset."""

    observations: npt.NDArray[np.uint8]
    """`uint8[T + 1, size, size, 3]`."""
    actions: npt.NDArray[np.float32]
    """`float32[T, A]`, as given to the environment, noise included."""
    rewards: npt.NDArray[np.float64]
    terminations: npt.NDArray[np.bool_]
    truncations: npt.NDArray[np.bool_]
    infos: dict[str, Any]
    """Arrays with T + 1 rows, some of them in nested dictionaries; `snapshot` describes them."""


def snapshot(env: gym.Env[Any, Any], info: dict[str, Any]) -> dict[str, Any]:
    """What is recorded for each observation beside its pixels.

    `control_steps` and `background` as in `info`; `state`: dm_control's own observation of the task, part by part;
    `physics`: MuJoCo's positions, velocities and activations in one vector; `matte`: `uint8[size, size]`.
    """
    unwrapped = env.unwrapped
    return info | {
        "state": unwrapped.task_observation,  # type: ignore[attr-defined]
        "physics": unwrapped.dm_control_env.physics.get_state(),  # type: ignore[attr-defined]
        "matte": unwrapped.matte.copy(),  # type: ignore[attr-defined]
    }


def play(env: gym.Env[Any, Any], policy: Policy, seed: int, noise: float) -> EpisodeData:
    """Plays the episode of `seed`, with Gaussian noise of standard deviation `noise` added to the policy's actions.

    The seed decides the noise too, so that the episode can be repeated. Noisy actions are clipped to [-1, 1].
    """
    keeper = _Keeper(env)
    attach = getattr(policy, "attach", None)
    if callable(attach):  # the expert reads the physics
        attach([env])
    play_episodes(_Noisy(policy, noise), [keeper], [seed])
    return keeper.episode()


class _Keeper(gym.Wrapper[Observations, Actions, Observations, Actions]):
    """Keeps all observations, actions, rewards and infos since the last reset."""

    def reset(self, **kwargs: Any) -> tuple[Observations, dict[str, Any]]:
        observation, info = self.env.reset(**kwargs)
        self._observations, self._infos = [observation.copy()], [snapshot(self.env, info)]
        self._steps: list[tuple[Actions, float, bool, bool]] = []
        return observation, info

    def step(self, action: Actions) -> tuple[Observations, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._observations.append(observation.copy())
        self._infos.append(snapshot(self.env, info))
        self._steps.append((action.copy(), float(reward), terminated, truncated))
        return observation, reward, terminated, truncated, info

    def episode(self) -> EpisodeData:
        actions, rewards, terminations, truncations = zip(*self._steps, strict=True)
        return EpisodeData(
            np.stack(self._observations),
            np.stack(actions).astype(np.float32),
            np.array(rewards, np.float64),
            np.array(terminations, np.bool_),
            np.array(truncations, np.bool_),
            _stacked(self._infos),
        )


def _stacked(moments: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Stacks dictionaries of numbers, strings and arrays into one dictionary of arrays."""
    return {
        key: _stacked([moment[key] for moment in moments])
        if isinstance(value, dict)
        else np.array([moment[key] for moment in moments])
        for key, value in moments[0].items()
    }


class _Noisy:
    """A policy with Gaussian noise of standard deviation `noise` on its actions."""

    def __init__(self, policy: Policy, noise: float) -> None:
        self._policy, self._noise = policy, noise

    def seed(self, episode_seeds: Sequence[int]) -> None:
        seed = getattr(self._policy, "seed", None)
        if callable(seed):
            seed(episode_seeds)
        # The environment spawns its streams from the seed itself, and the random policy draws from [seed, 1].
        self._generators = [np.random.default_rng([seed, 2]) for seed in episode_seeds]

    def reset(self, num_envs: int) -> None:
        self._policy.reset(num_envs)

    def act(self, obs: Observations) -> Actions:
        actions = np.asarray(self._policy.act(obs), np.float32)
        if self._noise:
            draws = np.stack([g.standard_normal(actions.shape[1]) for g in self._generators])
            actions = actions + self._noise * draws.astype(np.float32)
        return np.clip(actions, -1, 1)
