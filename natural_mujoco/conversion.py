"""Gives dm_control's tasks Gymnasium's `reset` and `step`, with Shimmy and corrections of two of its faults.

- `ConvertedTask`: Shimmy's `DmControlCompatibilityV0` over one dm_control task.
- `save_model`: writes the task's model to a file.

Importing this module imports dm_control and so starts OpenGL's backend: import it late.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .rendering.gl import import_dm_control
from .tasks import Task

suite = import_dm_control()

import mujoco  # noqa: E402  (after the backend is chosen)
from shimmy.dm_control_compatibility import DmControlCompatibilityV0  # noqa: E402


class ConvertedTask(DmControlCompatibilityV0):  # type: ignore[misc]
    """`task` of dm_control's suite with Gymnasium's `reset` and `step`, without its vector observations.

    An agent that sees pixels never reads vector observations, and computing them takes a tenth of a control step, so
    `reset` and `step` return an empty dict in their place. `dm_control_env` used directly still gives them.

    Shimmy writes a frame rate of `control_timestep × 1000` into the metadata of its *class*, so that one environment's
    rate shows in all others. Here metadata belong to the instance, and the rate is in frames per second.
    """

    def __init__(self, task: Task) -> None:
        self.metadata = dict(DmControlCompatibilityV0.metadata)
        with _without_deprecations():
            super().__init__(_load(task))
        self.metadata["render_fps"] = 1 / self.dt

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Shimmy's `reset`, with an empty observation."""
        task = self._env.task
        task.get_observation = _nothing
        try:
            return super().reset(seed=seed, options=options)  # type: ignore[no-any-return]
        finally:
            del task.get_observation

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Shimmy's `step`, with an empty observation and an empty `info`."""
        env = self._env
        task = env.task
        # Set on the instance, and only during this step, so that other callers still get the task's observation.
        task.get_observation = _nothing
        try:
            timestep = env.step(action)
        finally:
            del task.get_observation
        over = timestep.last()
        terminated = over and timestep.discount == 0
        return {}, timestep.reward, terminated, over and not terminated, {}

    def close(self) -> None:
        """Frees the physics, on any thread. May be called again."""
        physics = self._env.physics
        try:
            physics.free()
        except RuntimeError:
            # physics.render() leaves dm_control's context current on the thread that called it, and only that thread
            # can free it. dm_control does so at exit.
            _left_current_elsewhere.append(physics._contexts)
            physics._contexts = None
            physics.free()
        self._env.close()

    @property
    def dm_control_env(self) -> Any:
        """The `dm_control.rl.control.Environment` underneath."""
        return self._env


def _load(task: Task) -> Any:
    """A dm_control environment of `task` that shares nothing with any other.

    MuJoCo takes some 40 ms to compile a model and 5 ms to copy one, and most programs make several environments.
    """
    kept = _compiled(task.domain, task.task)
    env = copy.copy(kept)
    env._physics = kept.physics.copy()
    env._task = copy.deepcopy(kept.task)
    env._task._random = np.random.RandomState()
    return env


def save_model(task: Task, path: Path) -> None:
    """Writes the model of `task` into one XML file, as it is before an episode begins."""
    with _without_deprecations():
        physics = suite.load(task.domain, task.task).physics
    # It writes the model that this process parsed last, which is this one.
    mujoco.mj_saveLastXML(str(path), physics.model.ptr)


@lru_cache(maxsize=1)
def _compiled(domain: str, task: str) -> Any:
    """The dm_control environment that `_load` copies; it is itself never reset, stepped or drawn."""
    return suite.load(domain, task)


_left_current_elsewhere: list[Any] = []


@contextmanager
def _without_deprecations() -> Iterator[None]:
    """Hides MuJoCo's deprecation messages about dm_control's models, about which users can do nothing."""

    def keep(record: logging.LogRecord) -> bool:
        return "deprecated" not in record.getMessage()

    logger = logging.getLogger("absl")
    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)


def _nothing(physics: Any) -> dict[str, Any]:
    """An empty observation, in place of a task's own."""
    return {}
