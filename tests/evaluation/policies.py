"""Policies for tests, named on the command line as `tests.evaluation.policies:NAME`. Some of them misbehave."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


class Steady:
    """Acts on what it sees and on all it has seen, deterministically: any mix-up of rows or episodes changes it."""

    def __init__(self, action_size: int) -> None:
        self.weights = np.sin(np.arange(action_size) + 1.0)
        self.memory = np.zeros(0)

    def reset(self, num_envs: int) -> None:
        self.memory = np.zeros(num_envs)

    def act(self, obs: np.ndarray) -> np.ndarray:
        self.memory = 0.5 * self.memory + obs.reshape(len(obs), -1).mean(axis=1) / 255
        return np.sin(7 * self.memory[:, None] * self.weights).astype(np.float32)


class Drawing:
    """Draws at random, each row from a generator of its own."""

    def __init__(self, action_size: int) -> None:
        self.action_size = action_size

    def seed(self, episode_seeds: Sequence[int]) -> None:
        self.generators = [np.random.default_rng(seed) for seed in episode_seeds]

    def reset(self, num_envs: int) -> None:
        assert len(self.generators) == num_envs

    def act(self, obs: np.ndarray) -> np.ndarray:
        return np.array([g.uniform(-1, 1, self.action_size) for g in self.generators], np.float32)


class _Late:
    """Fails at its third action."""

    def __init__(self, action_size: int) -> None:
        self.action_size, self.calls = action_size, 0

    def reset(self, num_envs: int) -> None:
        pass

    def act(self, obs: np.ndarray) -> Any:
        self.calls += 1
        zeros = np.zeros((len(obs), self.action_size), np.float32)
        return self.fail(zeros) if self.calls >= 3 else zeros

    def fail(self, zeros: np.ndarray) -> Any:
        raise NotImplementedError


class Raises(_Late):
    def fail(self, zeros: np.ndarray) -> Any:
        raise KeyError("weights")


class ReturnsNan(_Late):
    def fail(self, zeros: np.ndarray) -> Any:
        return zeros * np.nan


class WrongShape(_Late):
    def fail(self, zeros: np.ndarray) -> Any:
        return zeros[:, :1].repeat(7, axis=1)


class ReturnsText(_Late):
    def fail(self, zeros: np.ndarray) -> Any:
        return "left"


class Hangs(_Late):
    def fail(self, zeros: np.ndarray) -> Any:
        while True:
            time.sleep(1)


class HoldsTheInterpreter(_Late):
    """Hangs where no Python code can interrupt it."""

    def fail(self, zeros: np.ndarray) -> Any:
        return 3 ** (3**50)


class Crashes(_Late):
    def fail(self, zeros: np.ndarray) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


class CrashesOnce(_Late):
    """Dies the first time anyone runs it; `CRASHED_BEFORE` names a file that remembers."""

    def fail(self, zeros: np.ndarray) -> Any:
        before = Path(os.environ["CRASHED_BEFORE"])
        if not before.exists():
            before.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return zeros


class Prints(_Late):
    def fail(self, zeros: np.ndarray) -> Any:
        print("policy speaks")
        return zeros


class NoMethods:
    pass


class FailsToLoad:
    def __init__(self) -> None:
        raise RuntimeError("no weights at /nowhere")


def leaves() -> None:
    sys.exit(0)


not_callable = 3


class WaitsAtTheGate(Steady):
    """Acts like `Steady`, but not before the file that `GATE` names exists."""

    def act(self, obs: np.ndarray) -> np.ndarray:
        while not Path(os.environ["GATE"]).exists():
            time.sleep(0.05)
        return super().act(obs)


class SlowAfterwards(_Late):
    """Fast in one task, hung in the others: for evaluations that break off half-way."""

    def __init__(self, action_size: int, task: str) -> None:
        super().__init__(action_size)
        self.task = task

    def fail(self, zeros: np.ndarray) -> Any:
        while self.task != "pendulum-swingup":
            time.sleep(1)
        return zeros
