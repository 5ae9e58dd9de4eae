"""From dm_control to Gymnasium's step semantics, by Shimmy, with what Shimmy gets wrong put right.

- `ConvertedTask`: Shimmy's `DmControlCompatibilityV0` over one dm_control task.

Importing this module imports dm_control and so starts OpenGL's backend: import it late.
"""

from __future__ import annotations

from typing import Any

from .rendering.gl import import_dm_control
from .tasks import Task

suite = import_dm_control()

from shimmy.dm_control_compatibility import DmControlCompatibilityV0  # noqa: E402  (after the backend is chosen)


class ConvertedTask(DmControlCompatibilityV0):  # type: ignore[misc]
    """`task` of dm_control's suite with Gymnasium's `reset` and `step`; observations are dm_control's state dicts.

    Shimmy writes a frame rate of `control_timestep × 1000` into the metadata of its *class*, so that it leaks
    from one environment to all. Here metadata belongs to the instance and the rate is in frames per second.
    """

    def __init__(self, task: Task) -> None:
        self.metadata = dict(DmControlCompatibilityV0.metadata)
        super().__init__(suite.load(task.domain, task.task))
        self.metadata["render_fps"] = 1 / self.dt

    @property
    def dm_control_env(self) -> Any:
        """The `dm_control.rl.control.Environment` underneath."""
        return self._env
