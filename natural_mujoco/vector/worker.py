"""A worker process of the vector environment: some sub-environments, stepped one after the other.

- `Link`: the vector environment's end.
- `run_worker`: the process' main function.
- `Worker`: what it does for each command.

Every command `(name, arguments)` is answered by `(result, None)` or `(None, Failure)`.
"""

from __future__ import annotations

import contextlib
import os
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from ..environment import NaturalMujocoEnv
from ..errors import NaturalMujocoError
from .shared_block import SharedBlock

LOOK_S = 0.0002
"""How long a worker looks for its next command before it sleeps: to wake a core that sleeps takes as long."""


class Link(NamedTuple):
    """A worker as the vector environment sees it.

    Commands and answers have a pipe of one direction each. In a pipe of both, a socket pair, the kernel also wakes
    the worker whenever its answer is read, for nothing, and having it where it then is, puts workers on one core
    while another idles.
    """

    rows: range
    """Its sub-environments."""
    process: BaseProcess
    commands: Connection
    answers: Connection


@dataclass(frozen=True)
class Failure:
    """What went wrong in a worker: the user's mistake as it was raised, or the traceback of anything else."""

    mistake: NaturalMujocoError | None
    traceback: str


class Worker:
    """The sub-environments `rows` of a vector environment, and their rows of its shared block."""

    def __init__(self, rows: range, autoreset: AutoresetMode, env_kwargs: dict[str, Any]) -> None:
        self.rows = rows
        self.autoreset = autoreset
        self.envs = [NaturalMujocoEnv(**env_kwargs) for _ in rows]
        self.over = [False for _ in rows]
        self.block: SharedBlock | None = None

    def describe(self) -> dict[str, Any]:
        """What the vector environment must know of its sub-environments."""
        env = self.envs[0]
        return {
            "observation_space": env.observation_space,
            "action_space": env.action_space,
            "metadata": env.metadata,
            "videos": env.playback.videos if env.playback is not None else (),
            "set": env.playback.library.name if env.playback is not None else "",
        }

    def attach(self, path: str, num_envs: int) -> None:
        """Maps the shared block."""
        action_shape = self.envs[0].action_space.shape
        assert action_shape is not None
        self.block = SharedBlock(path, num_envs, self.envs[0].size, action_shape)

    def reset(
        self, seeds: list[int | None], options: dict[str, Any] | None, mask: npt.NDArray[np.bool_]
    ) -> None:
        """Resets the sub-environments that `mask` selects."""
        for local, row in enumerate(self.rows):
            if mask[row]:
                self._reset_one(local, row, seeds[local], options)

    def step(self) -> list[tuple[int, npt.NDArray[np.uint8], dict[str, Any]]]:
        """Steps every sub-environment with its action in the block.

        Returns the final observations and infos of those that ended and were reset in this step (`SAME_STEP`).
        """
        assert self.block is not None
        block, finals = self.block, []
        for local, row in enumerate(self.rows):
            if self.over[local] and self.autoreset is AutoresetMode.NEXT_STEP:
                self._reset_one(local, row)
                continue
            observation, reward, terminated, truncated, info = self.envs[local].step(block.actions[row])
            self.over[local] = terminated or truncated
            if self.over[local] and self.autoreset is AutoresetMode.SAME_STEP:
                finals.append((row, observation, info))
                self._reset_one(local, row)
            else:
                self._write(local, row, observation)
            block.rewards[row] = reward
            block.terminated[row] = terminated
            block.truncated[row] = truncated
        return finals

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """The attribute `name` of each sub-environment, called if it can be."""
        values = [getattr(env, name) for env in self.envs]
        return [value(*args, **kwargs) if callable(value) else value for value in values]

    def set_attr(self, name: str, values: list[Any]) -> None:
        """Sets an attribute of each sub-environment to its value."""
        for env, value in zip(self.envs, values, strict=True):
            setattr(env, name, value)

    def close(self) -> None:
        """Closes the sub-environments."""
        for env in self.envs:
            env.close()

    def _reset_one(
        self, local: int, row: int, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> None:
        assert self.block is not None
        observation, _ = self.envs[local].reset(seed=seed, options=options)
        self.over[local] = False
        self._write(local, row, observation)
        self.block.rewards[row] = 0.0
        self.block.terminated[row] = False
        self.block.truncated[row] = False

    def _write(self, local: int, row: int, observation: npt.NDArray[np.uint8]) -> None:
        assert self.block is not None
        env, block = self.envs[local], self.block
        block.observations[row] = observation
        block.control_steps[row] = env.control_steps
        if env.playback is not None:
            block.video[row] = env.playback.position
            block.frame[row] = env.playback.number


def run_worker(
    commands: Connection,
    answers: Connection,
    rows: range,
    autoreset: AutoresetMode,
    env_kwargs: dict[str, Any],
    environ: dict[str, str],
) -> None:
    """Answers `commands` on `answers` until `close` or the other end is gone."""
    os.environ.update(environ)
    cv2.setNumThreads(1)  # one core a worker
    _never_push_aside()
    worker: Worker | None = None
    name = ""
    try:
        while name != "close":
            try:
                look_until = time.perf_counter() + LOOK_S
                while not commands.poll(0) and time.perf_counter() < look_until:
                    pass
                name, arguments = commands.recv()
            except (EOFError, BrokenPipeError, KeyboardInterrupt):
                break
            try:
                if name == "create":
                    worker, result = Worker(rows, autoreset, env_kwargs), None
                else:
                    assert worker is not None
                    result = getattr(worker, name)(*arguments)
                answer: tuple[Any, Failure | None] = (result, None)
            except NaturalMujocoError as mistake:
                answer = (None, Failure(mistake, traceback.format_exc()))
            except Exception:
                answer = (None, Failure(None, traceback.format_exc()))
            answers.send(answer)
    except (BrokenPipeError, KeyboardInterrupt):
        pass  # the parent is gone, or closing: nobody is left to tell
    finally:
        if worker is not None:
            worker.close()


def _never_push_aside() -> None:
    """Has Linux wake this process without pushing aside whoever woke it.

    The vector environment wakes its workers one after the other. The first used to take its core from it, and the
    others began half a millisecond late.
    """
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):  # some containers forbid it: slower, not wrong
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
