"""One column of the replay: an array with a row for every step, and the file that keeps it when the process ends.

- `Column`: an array in memory or memory-mapped.
- `DeviceColumn`: a tensor on a device, which is lost when the process ends.
- `as_array`: copies a tensor from its device into an array.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natural_mujoco import NaturalMujocoError

Storage = Literal["memory", "mapped", "reading"]


class Column:
    """One array [streams, rows, …], in memory with a file as backup, or memory-mapped from the file."""

    def __init__(self, file: Path, shape: tuple[int, ...], dtype: type, storage: Storage) -> None:
        self.file, self.mapped = file, storage != "memory"
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if (file.exists() or storage == "reading") and file.stat().st_size != size:
            raise NaturalMujocoError(
                f"{file} has {file.stat().st_size:,} bytes and not the {size:,} of this run's replay: it is another "
                "run's or was cut off. Give another --logdir."
            )
        if storage == "reading":
            self.data: NDArray = np.memmap(file, dtype, "r", shape=shape)
            return
        with open(file, "r+b" if file.exists() else "w+b") as f:
            if self.mapped and hasattr(os, "posix_fallocate"):
                # Reserves the space, so that a full disk is an error now instead of a bus error later.
                os.posix_fallocate(f.fileno(), 0, size)
            else:
                f.truncate(size)
        self.data = np.memmap(file, dtype, "r+", shape=shape) if self.mapped else np.zeros(shape, dtype)

    def set(self, row: int, values: NDArray | Tensor, blank: NDArray[np.bool_] | None = None) -> None:
        """Stores one row of every stream, or 0 for streams that are `blank`."""
        self.data[:, row] = as_array(values)
        if blank is not None:
            self.data[blank, row] = 0

    def take(self, rows: NDArray) -> Tensor:
        """The rows at flat indices."""
        return torch.from_numpy(np.take(self.data.reshape(-1, *self.data.shape[2:]), rows, axis=0))

    def checksum(self, row: int) -> int:
        """CRC-32 of one row of every stream."""
        return zlib.crc32(np.ascontiguousarray(self.data[:, row]).data)

    def write(self, start: int, stop: int) -> None:
        """Writes rows [start, stop) of every stream to the file."""
        if not self.mapped:
            with open(self.file, "r+b") as f:
                for stream in self.data:
                    f.seek(self._offset(stream, start))
                    f.write(memoryview(stream[start:stop]).cast("B"))

    def sync(self) -> None:
        """Waits until everything that was written is on the disk."""
        if isinstance(self.data, np.memmap):
            self.data.flush()
        else:
            with open(self.file, "r+b") as f:
                os.fsync(f.fileno())

    def read(self, start: int, stop: int) -> None:
        """Reads rows [start, stop) of every stream from the file."""
        if not self.mapped:
            with open(self.file, "rb") as f:
                for stream in self.data:
                    f.seek(self._offset(stream, start))
                    f.readinto(memoryview(stream[start:stop]).cast("B"))

    def _offset(self, stream: NDArray, row: int) -> int:
        index = (stream.ctypes.data - self.data.ctypes.data) // stream.nbytes
        return int(index * stream.nbytes + row * stream[0].nbytes)


def as_array(values: NDArray | Tensor) -> NDArray:
    """`values` as an array, copied from their device if they are a tensor."""
    return values.cpu().numpy() if isinstance(values, Tensor) else values


class DeviceColumn(Column):
    """One array [streams, rows, …] on `device`, which tensors never leave. It has no file."""

    def __init__(self, shape: tuple[int, ...], dtype: type, device: torch.device) -> None:
        self.data: Any
        try:
            self.data = torch.zeros(shape, dtype=torch.from_numpy(np.zeros(0, dtype)).dtype, device=device)
        except RuntimeError as error:  # torch raises it when memory is short
            raise NaturalMujocoError(
                f"{shape[0] * shape[1]} steps do not fit into the memory of {device}. Ask for fewer --num-envs, or for "
                "a smaller --replay.capacity."
            ) from error

    def set(self, row: int, values: NDArray | Tensor, blank: NDArray[np.bool_] | None = None) -> None:
        """See `Column.set`."""
        self.data[:, row] = torch.as_tensor(values, device=self.data.device)
        if blank is not None:
            self.data[torch.from_numpy(blank).to(self.data.device), row] = 0

    def take(self, rows: NDArray) -> Tensor:
        """See `Column.take`."""
        return self.data.flatten(0, 1)[torch.from_numpy(rows).to(self.data.device)]

    def checksum(self, row: int) -> int:
        """0, as there is no file to compare with."""
        return 0

    def write(self, start: int, stop: int) -> None:
        """Does nothing, as there is no file."""

    def sync(self) -> None:
        """Does nothing, as there is no file to sync."""

    def read(self, start: int, stop: int) -> None:
        """Does nothing, as there is no file to read."""


def stretches(start: int, stop: int, stored: int) -> list[tuple[int, int]]:
    """Rows [start, stop) as one or two stretches of a ring of `stored` rows."""
    if start == stop:
        return []
    a, b = start % stored, (stop - 1) % stored + 1
    return [(a, b)] if a < b else [(a, stored), (0, b)]
