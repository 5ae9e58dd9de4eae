"""The one loop: in environments of one's own and in a vector environment it plays the same episodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from natural_mujoco.errors import InvalidArgument
from natural_mujoco.evaluation.episodes import Moment, Played, play_episodes
from natural_mujoco.evaluation.protocol import ZeroPolicy

from .policies import Drawing, Steady

SEEDS = (1_000_000, 1_000_001, 1_000_002)
ID = "NaturalMujoco/CartpoleSwingup-v0"


@pytest.fixture
def arguments(plain_clips: Path) -> dict[str, Any]:
    return {"videos": str(plain_clips), "split": "train", "action_repeat": 100}


def singles(arguments: dict[str, Any], count: int = len(SEEDS)) -> list[gym.Env[Any, Any]]:
    return [gym.make(ID, disable_env_checker=True, **arguments) for _ in range(count)]


@pytest.mark.parametrize("policy", [Steady, Drawing])
def test_a_vector_environment_plays_the_same_episodes(arguments: dict[str, Any], policy: Any) -> None:
    envs = singles(arguments)
    together = gym.make_vec(ID, num_envs=len(SEEDS), **arguments)
    try:
        alone = play_episodes(policy(1), envs, SEEDS)
        assert play_episodes(policy(1), together, SEEDS) == alone
        assert [episode.seed for episode in alone] == list(SEEDS)
        assert len({episode.return_ for episode in alone}) == 3
        assert all(episode.length == 1000 and episode.video for episode in alone)
    finally:
        together.close()
        for env in envs:
            env.close()


def test_rows_that_are_not_played_are_black_and_change_nothing(arguments: dict[str, Any]) -> None:
    envs = singles(arguments)
    seen: list[np.ndarray] = []

    def look(moment: Moment) -> None:
        seen.append(moment.observations.copy())
        assert moment.running == (1,)

    try:
        whole = play_episodes(Steady(1), envs, SEEDS)
        [alone] = play_episodes(Steady(1), envs[:1], SEEDS, rows=(1,), seen=look)
    finally:
        for env in envs:
            env.close()
    assert alone == whole[1]
    assert not any(frame[[0, 2]].any() for frame in seen)
    assert len(seen) == 11
    assert all(frame[1].any() for frame in seen)


class Countdown(gym.Env[Any, Any]):
    """Ends after as many steps as its seed says; pays 1 a step."""

    observation_space = gym.spaces.Box(0, 255, (2, 2, 3), np.uint8)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.left, self.steps = seed or 0, 0
        return np.full((2, 2, 3), self.left, np.uint8), {}

    def step(self, action: Any) -> Any:
        assert self.left > 0, "stepped after its end"
        self.left, self.steps = self.left - 1, self.steps + 1
        return (
            np.full((2, 2, 3), self.left, np.uint8),
            1.0,
            self.left == 0,
            False,
            {"control_steps": self.steps},
        )


def test_episodes_of_different_lengths_end_each_at_its_time() -> None:
    moments: list[tuple[int, ...]] = []
    envs = [Countdown() for _ in range(3)]
    played = play_episodes(ZeroPolicy(1), envs, (1, 3, 2), seen=lambda moment: moments.append(moment.running))
    assert played == [Played(n, float(n), n, None, None) for n in (1, 3, 2)]
    assert moments == [(0, 1, 2), (0, 1, 2), (1, 2), (1,)]


def test_a_policy_cannot_write_into_what_comes_next(arguments: dict[str, Any]) -> None:
    class Scribbles(Steady):
        def act(self, obs: np.ndarray) -> np.ndarray:
            actions = super().act(obs)
            obs[:] = 255
            return actions

    envs = singles(arguments)
    try:
        assert play_episodes(Scribbles(1), envs, SEEDS) == play_episodes(Steady(1), envs, SEEDS)
    finally:
        for env in envs:
            env.close()


def test_too_few_environments_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="3 episodes need as many environments, not 1"):
        play_episodes(ZeroPolicy(1), [Countdown()], (1, 2, 3))
