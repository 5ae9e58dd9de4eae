"""A worker of the vector environment: a process that steps some of the sub-environments, one after the other.

- `Worker`: its public methods are the commands.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from ..environment import NaturalMujocoEnv
from .shared_block import OVER, RUNNING, SharedBlock

LOOK_S = 0.0002
"""Seconds that a worker polls for its next command before it sleeps; waking a sleeping core takes about as long."""


class Worker:
    """The sub-environments `rows` of a vector environment, and their rows of its shared block."""

    def __init__(
        self,
        rows: range,
        num_envs: int,
        descriptor: int,
        autoreset: AutoresetMode,
        env_kwargs: dict[str, Any],
    ) -> None:
        cv2.setNumThreads(1)  # one core for each worker
        _never_push_aside()
        self.rows = rows
        self.autoreset = autoreset
        self.envs = [NaturalMujocoEnv(**env_kwargs) for _ in rows]
        action_shape = self.envs[0].action_space.shape
        assert action_shape is not None
        self.block = SharedBlock(descriptor, num_envs, self.envs[0].size, *action_shape)
        os.close(descriptor)
        self._plans: dict[int, Callable[[], tuple[npt.NDArray[np.uint8], dict[str, Any]]]] = {}

    def describe(self) -> dict[str, Any]:
        """What the vector environment must know about its sub-environments: spaces, metadata, videos."""
        env = self.envs[0]
        return {
            "observation_space": env.observation_space,
            "action_space": env.action_space,
            "metadata": env.metadata,
            "videos": env.playback.videos if env.playback is not None else (),
            "set": env.playback.library.name if env.playback is not None else "",
        }

    def plan(
        self, mask: npt.NDArray[np.bool_], seeds: list[int | None], options: dict[str, Any] | None
    ) -> None:
        """Prepares the next episodes of the rows that `mask` selects. If it raises, none of them has begun."""
        self._plans = {}
        self._plans = {
            row: self.envs[local].plan_reset(seed=seeds[row], options=options)
            for local, row in enumerate(self.rows)
            if mask[row]
        }

    def reset(self) -> None:
        """Begins the episodes that were planned."""
        for local, row in enumerate(self.rows):
            if row in self._plans:
                self._reset_one(local, row)

    def step(self) -> list[tuple[int, npt.NDArray[np.uint8], dict[str, Any]]] | None:
        """Steps each sub-environment with its action in the block, or begins its planned episode if the last is over.

        Returns the final observations and infos of those that ended and were reset in this step (`SAME_STEP`).
        """
        block, finals = self.block, []
        for local, row in enumerate(self.rows):
            if block.state[row] == OVER:
                self._reset_one(local, row)
                continue
            observation, reward, terminated, truncated, info = self.envs[local].step(block.actions[row])
            if (terminated or truncated) and self.autoreset is AutoresetMode.SAME_STEP:
                finals.append((row, observation, info))
                self._reset_one(local, row)
            else:
                self._write(local, row, observation)
            block.rewards[row] = reward
            block.terminated[row] = terminated
            block.truncated[row] = truncated
        return finals or None

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """The attribute `name` of each sub-environment, called if it can be."""
        values = [getattr(env, name) for env in self.envs]
        try:
            return [value(*args, **kwargs) if callable(value) else value for value in values]
        finally:
            for local, row in enumerate(self.rows):  # the call may have been `reset` or `step`
                self._write_progress(local, row)

    def set_attr(self, name: str, values: list[Any]) -> None:
        """Sets an attribute of each sub-environment to its value."""
        for env, row in zip(self.envs, self.rows, strict=True):
            setattr(env, name, values[row])

    def close(self) -> None:
        """Closes the sub-environments."""
        for env in self.envs:
            env.close()

    def _reset_one(self, local: int, row: int) -> None:
        # There is no plan if, with `SAME_STEP`, an episode ended early.
        begin = self._plans.pop(row, None) or self.envs[local].reset
        observation, _ = begin()
        self._write(local, row, observation)
        self.block.rewards[row] = 0.0
        self.block.terminated[row] = False
        self.block.truncated[row] = False

    def _write(self, local: int, row: int, observation: npt.NDArray[np.uint8]) -> None:
        self.block.observations[row] = observation
        self._write_progress(local, row)

    def _write_progress(self, local: int, row: int) -> None:
        env, block = self.envs[local], self.block
        if env.running:
            block.state[row] = RUNNING
        elif block.state[row] == RUNNING:
            block.state[row] = OVER
        block.control_steps[row] = env.control_steps
        if env.playback is not None:
            block.video[row] = env.playback.position
            block.frame[row] = env.playback.number


def _never_push_aside() -> None:
    """Sets a Linux scheduling policy under which this process, when woken, does not preempt the process that woke it.

    The vector environment wakes its workers one after the other. Otherwise the first worker would take the core from
    it, and the others would begin half a millisecond late.
    """
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):  # some containers forbid it: slower, not wrong
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
