"""The memory that the vector environment and its workers share.

- `SharedBlock`: one array per thing a step exchanges, all in one memory-mapped temporary file.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_ALIGNMENT = 64


class SharedBlock:
    """Arrays over one file mapped by several processes. Rows are sub-environments; each worker writes its own rows.

    `observations uint8[n, size, size, 3]`, `actions float32[n, a]`, `rewards float64[n]`, `terminated`, `truncated`
    `bool[n]`, `control_steps int64[n]`, `video int64[n]` (position among the split's ids), `frame int64[n]`.
    """

    def __init__(self, path: str, num_envs: int, size: int, action_shape: tuple[int, ...]) -> None:
        self.path = path
        layout: dict[str, tuple[tuple[int, ...], Any]] = {
            "observations": ((num_envs, size, size, 3), np.uint8),
            "actions": ((num_envs, *action_shape), np.float32),
            "rewards": ((num_envs,), np.float64),
            "terminated": ((num_envs,), np.bool_),
            "truncated": ((num_envs,), np.bool_),
            "control_steps": ((num_envs,), np.int64),
            "video": ((num_envs,), np.int64),
            "frame": ((num_envs,), np.int64),
        }
        offsets, end = {}, 0
        for name, (shape, dtype) in layout.items():
            offsets[name] = end
            end += -(-int(np.prod(shape)) * np.dtype(dtype).itemsize // _ALIGNMENT) * _ALIGNMENT
        with open(path, "r+b") as file:
            if os.fstat(file.fileno()).st_size < end:
                file.truncate(end)
            memory = mmap.mmap(file.fileno(), end)

        def array(name: str) -> npt.NDArray[Any]:
            shape, dtype = layout[name]
            return np.ndarray(shape, dtype, memory, offsets[name])

        self.observations: npt.NDArray[np.uint8] = array("observations")
        self.actions: npt.NDArray[np.float32] = array("actions")
        self.rewards: npt.NDArray[np.float64] = array("rewards")
        self.terminated: npt.NDArray[np.bool_] = array("terminated")
        self.truncated: npt.NDArray[np.bool_] = array("truncated")
        self.control_steps: npt.NDArray[np.int64] = array("control_steps")
        self.video: npt.NDArray[np.int64] = array("video")
        self.frame: npt.NDArray[np.int64] = array("frame")

    @classmethod
    def create(cls, num_envs: int, size: int, action_shape: tuple[int, ...]) -> SharedBlock:
        """A block in a new temporary file, in memory (`/dev/shm`) where the system has that."""
        memory_folder = Path("/dev/shm")
        handle, path = tempfile.mkstemp(
            prefix="natural-mujoco-", dir=memory_folder if os.access(memory_folder, os.W_OK) else None
        )
        os.close(handle)
        return cls(path, num_envs, size, action_shape)

    def unlink(self) -> None:
        """Removes the file's name; mappings stay valid until their processes end."""
        Path(self.path).unlink(missing_ok=True)
