"""From dm_control to Gymnasium's step semantics, by Shimmy, with what Shimmy gets wrong put right.

- `ConvertedTask`: Shimmy's `DmControlCompatibilityV0` over one dm_control task.
- `save_model`: the task's model as a file.

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

    An agent that sees pixels never reads them, and computing them takes a tenth of a control step: `reset` and
    `step` return an empty dict in their place. `dm_control_env` itself, stepped or asked directly, has them as ever.

    Shimmy writes a frame rate of `control_timestep × 1000` into the metadata of its *class*, so that it leaks
    from one environment to all. Here metadata belongs to the instance and the rate is in frames per second.
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
        """What Shimmy's `step` gives, with an empty observation and no `info`, without its copies of both."""
        env = self._env
        task = env.task
        # On the instance, and only for now: whoever else asks this task gets its class' observation.
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
            # Whoever calls physics.render() leaves dm_control's context current on that thread, where alone it can be
            # freed: dm_control does so at exit.
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

    MuJoCo compiles a model in some 40 ms and copies it in 5, and who makes one environment mostly makes several.
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
    mujoco.mj_saveLastXML(
        str(path), physics.model.ptr
    )  # the last that this process parsed, which is this one


@lru_cache(maxsize=1)
def _compiled(domain: str, task: str) -> Any:
    """As dm_control loads it. Never reset, stepped or drawn."""
    return suite.load(domain, task)


_left_current_elsewhere: list[Any] = []


@contextmanager
def _without_deprecations() -> Iterator[None]:
    """Keeps from users what MuJoCo says to the authors of dm_control's models, which they cannot mend."""

    def keep(record: logging.LogRecord) -> bool:
        return "deprecated" not in record.getMessage()

    logger = logging.getLogger("absl")
    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)


def _nothing(physics: Any) -> dict[str, Any]:
    """The observation of a task that nobody looks at."""
    return {}
