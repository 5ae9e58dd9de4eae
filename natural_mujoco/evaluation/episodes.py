"""The loop that plays all episodes: in evaluations, in evaluations during training, for probes and for recordings.

- `play_episodes`: plays a policy in several environments at once, from the reset to the end of every episode.
- `moments`: the same, as an iterator over steps.
- `Played`: a finished episode: its return, length, and first background.
- `Moment`: one step of all environments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from ..errors import BatchedError, InvalidArgument
from .protocol import Actions, Observations, Policy

Environments = Sequence[gym.Env[Any, Any]] | gym.vector.VectorEnv[Any, Any, Any]


class Played(NamedTuple):
    """A finished episode: the sum of its rewards, its length in control steps, and the clip and frame it began with."""

    seed: int
    return_: float
    length: int
    video: str | None
    frame: int | None


class Moment(NamedTuple):
    """One step of all rows: the actions, their rewards, and the observations after them.

    `actions` is `None` for the observations of the reset. The arrays are reused by the next step: copy what you keep.
    """

    observations: Observations
    """`uint8[N, H, W, 3]`; rows that are not played are black."""
    actions: Actions | None
    rewards: npt.NDArray[np.float64]
    """`float64[N]`."""
    running: tuple[int, ...]
    """The rows whose episode was running in this step."""
    control_steps: npt.NDArray[np.int64]
    """`int64[N]`, control steps since the reset."""
    backgrounds: list[tuple[str | None, int | None]]
    """The clip and frame with which each row began."""


def play_episodes(
    policy: Policy,
    envs: Environments,
    seeds: Sequence[int],
    rows: Sequence[int] | None = None,
    seen: Callable[[Moment], None] = lambda moment: None,
) -> list[Played]:
    """Plays one episode for each row in `rows`, all in lockstep, and returns them in the order of `rows`.

    Args:
        policy: its `seed(seeds)` is called if it has one, then `reset(N)`, then `act` with all N rows at every step.
        envs: an environment for each of `rows`, or one vector environment (autoreset `NEXT_STEP`) of as many.
        seeds: the seeds of all N rows. A row's observations and actions depend only on its own seed.
        rows: the rows that are played, by default all; the observations of the others are black.
        seen: called after the reset and after every step.

    Raises:
        InvalidArgument: the number of environments is not the number of rows.
        BatchedError: the physics of an episode diverged in the batched environment.
    """
    wanted = tuple(range(len(seeds)) if rows is None else rows)
    returns, lengths = [0.0] * len(seeds), [0] * len(seeds)
    backgrounds: list[Background] = []
    for moment in moments(policy, envs, seeds, wanted):
        seen(moment)
        backgrounds = moment.backgrounds
        for row in moment.running if moment.actions is not None else ():
            returns[row] += float(moment.rewards[row])
            lengths[row] = int(moment.control_steps[row])
    return [Played(seeds[row], returns[row], lengths[row], *backgrounds[row]) for row in wanted]


def moments(
    policy: Policy, envs: Environments, seeds: Sequence[int], rows: Sequence[int] | None = None
) -> Iterator[Moment]:
    """Plays as `play_episodes` does, but yields every step, so that the caller can look at it or stop early."""
    wanted = tuple(range(len(seeds)) if rows is None else rows)
    stage = _Together(envs, wanted) if isinstance(envs, gym.vector.VectorEnv) else _Singles(envs, wanted)
    observations, backgrounds = stage.reset(tuple(seeds))
    seed = getattr(policy, "seed", None)
    if callable(seed):
        seed(tuple(seeds))
    policy.reset(len(seeds))
    running = wanted
    nothing = np.zeros(len(seeds), np.int64)
    yield Moment(observations, None, np.zeros(len(seeds)), running, nothing, backgrounds)
    while running:
        # A copy, so that a policy that writes into its observations does not change later ones.
        actions = policy.act(observations.copy())
        step = stage.step(actions, running)
        observations = step.observations
        yield Moment(observations, actions, step.rewards, running, step.control_steps, backgrounds)
        running = tuple(row for row in running if not step.over[row])


Background = tuple[str | None, int | None]


@dataclass
class _Step:
    observations: Observations
    rewards: npt.NDArray[np.float64]
    over: npt.NDArray[np.bool_]
    control_steps: npt.NDArray[np.int64]


class _Singles:
    """Single environments, of which only those with a running episode are stepped."""

    def __init__(self, envs: Sequence[gym.Env[Any, Any]], rows: Sequence[int]) -> None:
        if len(envs) != len(rows):
            raise InvalidArgument(f"{len(rows)} episodes need as many environments, not {len(envs)}.")
        self._envs = dict(zip(rows, envs, strict=True))

    def reset(self, seeds: Sequence[int]) -> tuple[Observations, list[Background]]:
        shape = next(iter(self._envs.values())).observation_space.shape or ()
        observations = np.zeros((len(seeds), *shape), np.uint8)
        backgrounds: list[Background] = [(None, None)] * len(seeds)
        for row, env in self._envs.items():
            observations[row], info = env.reset(seed=seeds[row])
            if "background" in info:
                shown = info["background"]
                backgrounds[row] = str(shown["video"]), int(shown["frame"])
        n = len(seeds)
        self._step = _Step(observations, np.zeros(n), np.zeros(n, bool), np.zeros(n, np.int64))
        return observations, backgrounds

    def step(self, actions: Actions, running: Sequence[int]) -> _Step:
        step = self._step
        step.rewards[:] = 0
        for row in running:
            step.observations[row], reward, terminated, truncated, info = self._envs[row].step(actions[row])
            step.rewards[row] = float(reward)
            step.over[row] = terminated or truncated
            step.control_steps[row] = info["control_steps"]
        return step


class _Together:
    """A vector environment, in which rows whose episode is over are stepped on without being counted."""

    def __init__(self, envs: gym.vector.VectorEnv[Any, Any, Any], rows: Sequence[int]) -> None:
        if envs.num_envs != len(rows):
            raise InvalidArgument(f"{len(rows)} episodes need as many environments, not {envs.num_envs}.")
        self._envs, self._rows = envs, list(rows)

    def reset(self, seeds: Sequence[int]) -> tuple[Observations, list[Background]]:
        self._seeds = seeds
        observations, info = self._envs.reset(seed=[seeds[row] for row in self._rows])  # type: ignore[arg-type]
        backgrounds: list[Background] = [(None, None)] * len(seeds)
        if (shown := info.get("background")) is not None:
            for row, video, frame in zip(self._rows, shown["video"], shown["frame"], strict=True):
                backgrounds[row] = str(video), int(frame)
        return self._placed(observations), backgrounds

    def step(self, actions: Actions, running: Sequence[int]) -> _Step:
        observations, rewards, terminated, truncated, info = self._envs.step(actions[self._rows])
        diverged = self._placed(info.get("diverged", np.zeros(len(self._rows), bool)))
        for row in running:
            if diverged[row]:
                raise BatchedError(f"The physics of the episode from seed {self._seeds[row]} diverged.")
        placed = map(self._placed, (observations, rewards, terminated | truncated, info["control_steps"]))
        return _Step(*placed)

    def _placed(self, played: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """An array over all rows, with `played` in the rows that are played."""
        whole = np.zeros((len(self._seeds), *played.shape[1:]), played.dtype)
        whole[self._rows] = played
        return whole
