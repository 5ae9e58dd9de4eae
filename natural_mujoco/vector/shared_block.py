"""The memory that the vector environment and its workers share.

- `SharedBlock`: one array for each quantity that a step exchanges, all in one memory-mapped file without a name.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import WorkerError
from ..processes import shared_file

_ALIGNMENT = 64
_MAX_ACTION = 64
"""Largest action size, for which room is made, as the file is created before any environment tells its own."""

UNBEGUN, RUNNING, OVER = range(3)
"""States of a sub-environment's episode."""


class SharedBlock:
    """Arrays over one file mapped by several processes. Rows are sub-environments; each worker writes its own rows.

    `observations uint8[n, size, size, 3]`, `rewards float64[n]`, `terminated`, `truncated` `bool[n]`, `state int8[n]`
    (`UNBEGUN`, `RUNNING`, `OVER`), `control_steps int64[n]`, `video int64[n]` (position among the split's ids),
    `frame int64[n]`; and, written by the vector environment, `actions float64[n, a]`.
    """

    def __init__(self, descriptor: int, num_envs: int, size: int, action_size: int) -> None:
        offsets, end = _layout(num_envs, size, action_size)
        memory = mmap.mmap(descriptor, end)

        def array(name: str, dtype: Any) -> npt.NDArray[Any]:
            offset, shape = offsets[name]
            return np.ndarray(shape, dtype, memory, offset)

        self.observations: npt.NDArray[np.uint8] = array("observations", np.uint8)
        self.rewards: npt.NDArray[np.float64] = array("rewards", np.float64)
        self.terminated: npt.NDArray[np.bool_] = array("terminated", np.bool_)
        self.truncated: npt.NDArray[np.bool_] = array("truncated", np.bool_)
        self.state: npt.NDArray[np.int8] = array("state", np.int8)
        self.control_steps: npt.NDArray[np.int64] = array("control_steps", np.int64)
        self.video: npt.NDArray[np.int64] = array("video", np.int64)
        self.frame: npt.NDArray[np.int64] = array("frame", np.int64)
        self.actions: npt.NDArray[np.float64] = array("actions", np.float64)

    @staticmethod
    def allocate(num_envs: int, size: int) -> int:
        """The descriptor of a file with room for the block. Raises `WorkerError` if the machine lacks the room."""
        _, end = _layout(num_envs, size, _MAX_ACTION)
        try:
            return shared_file(end)
        except OSError as error:
            raise WorkerError(
                f"There is no room for the {end / 1e6:.0f} MB that {num_envs} environments of size {size} share with "
                f"their workers ({error.strerror}): give this machine or container more memory (for Docker, --memory "
                f"and --shm-size), or set TMPDIR to a folder with room instead of {tempfile.gettempdir()}."
            ) from error


def _layout(
    num_envs: int, size: int, action_size: int
) -> tuple[Mapping[str, tuple[int, tuple[int, ...]]], int]:
    """Offset and shape of each array, and the total number of bytes."""
    items = {
        "observations": (1, (num_envs, size, size, 3)),
        **dict.fromkeys(("terminated", "truncated", "state"), (1, (num_envs,))),
        **dict.fromkeys(("rewards", "control_steps", "video", "frame"), (8, (num_envs,))),
        "actions": (8, (num_envs, action_size)),
    }
    offsets, end = {}, 0
    for name, (item_bytes, shape) in items.items():
        offsets[name] = end, shape
        end += -(-item_bytes * int(np.prod(shape, dtype=object)) // _ALIGNMENT) * _ALIGNMENT
    return offsets, end
