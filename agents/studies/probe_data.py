"""The data of a probe: fixed episodes with the physical state of every frame, and ridge regression to it.

The physics of an episode depend only on its seed and actions, so that with the same seeds natural and standard
episodes, and those in front of training and test videos, show the same motion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from natural_mujoco.evaluation.episodes import Moment, play_episodes
from natural_mujoco.evaluation.protocol import Policy

from ..training.collection import environment_arguments, environment_id
from ..training.config import RunConfig


class ProbeEpisodes(NamedTuple):
    """Episodes of equal length; row t holds frame t and the action and reward that led to it, as in the replay."""

    frames: NDArray[np.uint8]  # [episodes, steps, height, width, 3]
    actions: NDArray[np.float32]  # [episodes, steps, A]
    rewards: NDArray[np.float32]  # [episodes, steps]
    states: NDArray[np.float64]  # [episodes, steps, quantities]
    names: tuple[str, ...]  # of the quantities

    def part(self, episodes: slice) -> ProbeEpisodes:
        """Some of the episodes."""
        return ProbeEpisodes(
            self.frames[episodes],
            self.actions[episodes],
            self.rewards[episodes],
            self.states[episodes],
            self.names,
        )


def collect_episodes(
    config: RunConfig,
    split: str,
    first_seed: int,
    episodes: int,
    say: Callable[[int], None],
    alike: int = 1,
) -> ProbeEpisodes:
    """Episodes of random actions that are held for some steps, so that bodies gather speed and cover ground.

    The physical state is dm_control's own observation of the task. `say` is called after each episode with the number
    of episodes done. With `alike`, so many consecutive episodes show the clip that the first of them would show, from
    the same frame.
    """
    made = gym.make(environment_id(config.task, config.variant), **environment_arguments(config, split))
    env = made if alike == 1 else _Alike(made, alike)
    try:
        assert env.action_space.shape is not None
        (size,) = env.action_space.shape
        collected = []
        for i in range(episodes):
            collected.append(play(env, _HeldActions(size), first_seed + i))
            say(i + 1)
    finally:
        env.close()
    return stacked(collected)


def stacked(episodes: Sequence[tuple[NDArray, NDArray, NDArray, NDArray, tuple[str, ...]]]) -> ProbeEpisodes:
    """Combines the results of `play` for several seeds."""
    frames, actions, rewards, states, names = zip(*episodes, strict=True)
    return ProbeEpisodes(np.stack(frames), np.stack(actions), np.stack(rewards), np.stack(states), names[0])


class _Alike(gym.Wrapper):
    """Shows every `count` episodes what the first of them drew."""

    def __init__(self, env: gym.Env, count: int) -> None:
        super().__init__(env)
        self._count, self._episodes = count, 0
        self._background: dict[str, Any] = {}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        follows = self._episodes % self._count > 0
        observation, info = self.env.reset(seed=seed, options=self._background if follows else options)
        self._background = {k: info["background"][k] for k in ("video", "frame")}
        self._episodes += 1
        return observation, info


class _HeldActions:
    """Uniform random actions, each held for one to eight steps, with a generator for each episode."""

    def __init__(self, action_size: int) -> None:
        self._action_size = action_size

    def seed(self, episode_seeds: Sequence[int]) -> None:
        self._generators = [np.random.default_rng(np.random.SeedSequence([s, 6])) for s in episode_seeds]

    def reset(self, num_envs: int) -> None:
        self._actions = np.zeros((num_envs, self._action_size), np.float32)
        self._left = [0] * num_envs

    def act(self, obs: NDArray[np.uint8]) -> NDArray[np.float32]:
        for i, rng in enumerate(self._generators):
            if self._left[i] == 0:
                self._actions[i] = rng.uniform(-1, 1, self._action_size)
                self._left[i] = int(rng.integers(1, 9))
            self._left[i] -= 1
        return self._actions.copy()


def play(
    env: gym.Env, policy: Policy, seed: int
) -> tuple[NDArray, NDArray, NDArray, NDArray, tuple[str, ...]]:
    """(frames, actions, rewards, states, names of the states' quantities) of one episode, as in `ProbeEpisodes`."""
    assert env.action_space.shape is not None
    (size,) = env.action_space.shape
    rows = []

    def keep(moment: Moment) -> None:
        action = np.zeros(size, np.float32) if moment.actions is None else moment.actions[0]
        rows.append((moment.observations[0].copy(), action, moment.rewards[0], physical_state(env)[0]))

    play_episodes(policy, [env], [seed], seen=keep)
    frames, actions, rewards, states = zip(*rows, strict=True)
    names = physical_state(env)[1]
    return np.stack(frames), np.stack(actions), np.array(rewards, np.float32), np.stack(states), names


def physical_state(env: gym.Env) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """dm_control's observation of the task as one vector, and the name of each of its quantities."""
    underneath = env.unwrapped.dm_control_env  # type: ignore[attr-defined]
    observation = underneath.task.get_observation(underneath.physics)
    values, names = [], []
    for key, value in observation.items():
        flat = np.atleast_1d(np.asarray(value, np.float64)).ravel()
        values.append(flat)
        names += [key if len(flat) == 1 else f"{key}[{i}]" for i in range(len(flat))]
    return np.concatenate(values), tuple(names)


def held_out_r2(
    train_x: NDArray, train_y: NDArray, test_x: NDArray, test_y: NDArray, groups: int
) -> NDArray[np.float64]:
    """R² of ridge regression on the test rows, for each column of y: 1 − SSE / SST, which can be negative.

    Args:
        train_x, test_x: features [rows, F].
        train_y, test_y: targets [rows, quantities].
        groups: training rows come as this many episodes of equal length; the last quarter of them chooses the penalty.
    """
    mean, std = train_x.mean(0), train_x.std(0) + 1e-6
    x, held = (train_x - mean) / std, (test_x - mean) / std
    cut = len(x) // groups * (groups - max(1, groups // 4))
    penalties = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    scores = [_r2(x[:cut], train_y[:cut], x[cut:], train_y[cut:], p).mean() for p in penalties]
    return _r2(x, train_y, held, test_y, penalties[int(np.argmax(scores))])


def _r2(x: NDArray, y: NDArray, held_x: NDArray, held_y: NDArray, penalty: float) -> NDArray[np.float64]:
    x, held_x = x.astype(np.float64), held_x.astype(np.float64)
    centre = y.mean(0)
    gram = x.T @ x / len(x) + penalty * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, x.T @ (y - centre) / len(x))
    error = ((held_y - centre - held_x @ weights) ** 2).mean(0)
    spread = held_y.var(0)
    return 1 - error / np.maximum(spread, 1e-12)
