"""Natural MuJoCo: ten DeepMind Control tasks in front of natural video, for agents that learn from pixels.

Importing this package registers twenty ids with Gymnasium, two for each task:

- `NaturalMujoco/WalkerWalk-v0`: background and floor replaced by video;
- `NaturalMujoco/WalkerWalkStandard-v0`: as dm_control draws it.

Their keyword arguments are those of `natural_mujoco.NaturalMujocoEnv`.

The package also exports every class that users catch, annotate with or call: the errors and the warning, the two
environments, `Policy` and `read_results`. Names that need more than Gymnasium and NumPy are imported on first access.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from .errors import (
    BatchedError,
    ClosedEnvironmentError,
    EmbeddedVideosWarning,
    ExpertError,
    FileError,
    InvalidAction,
    InvalidArgument,
    LockHeld,
    NaturalMujocoError,
    PolicyError,
    RenderingError,
    ResetNeeded,
    ResultsError,
    UnsupportedMode,
    VideoSetError,
    WorkerError,
)
from .options import Matte, PlaybackMode, Rendering, Split
from .tasks import TASKS, Task, find_task
from .version import __version__

if TYPE_CHECKING:
    from .backgrounds import VideoLibrary, open_videos
    from .environment import NaturalMujocoEnv
    from .evaluation.protocol import Policy
    from .evaluation.records import Results, read_results
    from .vector import NaturalMujocoVectorEnv

__all__ = [
    "TASKS",
    "BatchedError",
    "ClosedEnvironmentError",
    "EmbeddedVideosWarning",
    "ExpertError",
    "FileError",
    "InvalidAction",
    "InvalidArgument",
    "LockHeld",
    "Matte",
    "NaturalMujocoEnv",
    "NaturalMujocoError",
    "NaturalMujocoVectorEnv",
    "PlaybackMode",
    "Policy",
    "PolicyError",
    "Rendering",
    "RenderingError",
    "ResetNeeded",
    "Results",
    "ResultsError",
    "Split",
    "Task",
    "UnsupportedMode",
    "VideoLibrary",
    "VideoSetError",
    "WorkerError",
    "__version__",
    "find_task",
    "open_videos",
    "read_results",
]

_IMPORTED_WHEN_ASKED_FOR = {
    "NaturalMujocoEnv": ".environment",
    "NaturalMujocoVectorEnv": ".vector",
    "Policy": ".evaluation.protocol",
    "Results": ".evaluation.records",
    "VideoLibrary": ".backgrounds",
    "open_videos": ".backgrounds",
    "read_results": ".evaluation.records",
}


def __getattr__(name: str) -> Any:
    if name not in _IMPORTED_WHEN_ASKED_FOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_IMPORTED_WHEN_ASKED_FOR[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


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
