"""Natural MuJoCo: ten DeepMind Control tasks in front of natural video, for agents that must see.

Importing this package registers twenty ids with Gymnasium, two for each task:

- `NaturalMujoco/WalkerWalk-v0`: background and floor replaced by video;
- `NaturalMujoco/WalkerWalkStandard-v0`: as dm_control draws it.

Their keyword arguments are those of `natural_mujoco.environment.NaturalMujocoEnv`.
"""

from __future__ import annotations

import gymnasium as gym

from .errors import InvalidArgument, NaturalMujocoError, RenderingError, VideoSetError, WorkerError
from .tasks import TASKS, Task, find_task
from .version import __version__

__all__ = [
    "TASKS",
    "InvalidArgument",
    "NaturalMujocoError",
    "RenderingError",
    "Task",
    "VideoSetError",
    "WorkerError",
    "__version__",
    "find_task",
]


def _register(task: Task, natural: bool) -> None:
    gym.register(
        id=task.natural_id if natural else task.standard_id,
        entry_point="natural_mujoco.environment:NaturalMujocoEnv",
        vector_entry_point="natural_mujoco.vector:NaturalMujocoVectorEnv",
        kwargs={"task": task.id_name, "natural": natural},
    )


for _task in TASKS.values():
    _register(_task, natural=True)
    _register(_task, natural=False)
