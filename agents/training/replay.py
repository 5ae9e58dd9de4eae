"""Replay: a contiguous store of uint8 frames, from which sequences are sampled without a Python loop.

A row holds a frame and **what led to it**: row t has the frame o_t, the action a_{t−1} that was taken before it, and
the reward and termination that came with it. A transition (s_t, a_t, r_t, s_{t+1}) therefore reads its action and
reward from row t + 1. The first row of an episode has action and reward 0.

Rows are also in files of the run directory, so that a run resumes with its replay. The store is a ring buffer somewhat
larger than the `capacity` that is sampled from, so that rows written after the last checkpoint never overwrite rows
that the last two checkpoints need. A replay on a device has no files and is empty when a run resumes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natural_mujoco import InvalidArgument, NaturalMujocoError

from .batch import Batch
from .replay_column import Column, DeviceColumn, Storage, stretches
from .sampling import Recency, draw_streams, draw_windows
from .saved_tensors import take
from .state import ReplayState

_CHECKSUMS = "replay.checksums"

# Rows of one environment between checkpoints, at most; the ring keeps twice as many beyond its capacity.
ROWS_BETWEEN_CHECKPOINTS = 1000


class Replay:
    """The last `capacity` agent steps of `streams` environments that step together.

    Args:
        directory: the folder for the files; created if missing.
        streams: number of environments; every `add` adds one row for each.
        capacity: number of rows to sample from, over all streams.
        frame_shape, action_size: shape of a row's frame, and size of its action.
        storage: `"memory"` holds the frames in memory and writes new ones to the file at `sync`;
            `"mapped"` works on the file itself; `"reading"` does so and writes nothing.
        state_size: size of the physical state beside each frame; 0 to keep none.
        device: if given, everything is kept there, without files; `storage` is then ignored.
        recency: the share of what is drawn that comes from recent episodes.

    Raises:
        InvalidArgument: the capacity is below one step per stream.
        NaturalMujocoError: the disk or memory is too small, or the files belong to another run.
    """

    def __init__(
        self,
        directory: Path,
        streams: int,
        capacity: int,
        frame_shape: tuple[int, ...],
        action_size: int,
        storage: Storage = "memory",
        state_size: int = 0,
        device: torch.device | None = None,
        recency: Recency | None = None,
    ) -> None:
        if streams < 1 or capacity < streams:
            raise InvalidArgument(
                f"Replay capacity {capacity} is below one step for each of {streams} environments."
            )
        self.streams, self.capacity = streams, capacity // streams
        self.recency = recency or Recency(0.0, 1)
        self.outlives = device is None  # the process
        self.stored = self.capacity + 2 * ROWS_BETWEEN_CHECKPOINTS * self.outlives
        self.rows = self.synced = 0  # rows added to each stream, ever; and those that are safe in the files

        def column(name: str, shape: tuple[int, ...], dtype: type) -> Column:
            file, shape = directory / f"{name}.bin", (streams, self.stored, *shape)
            return (
                Column(file, shape, dtype, storage) if device is None else DeviceColumn(shape, dtype, device)
            )

        try:
            if storage != "reading" and self.outlives:
                directory.mkdir(parents=True, exist_ok=True)
            self._frames = column("frames", frame_shape, np.uint8)
            self._actions = column("actions", (action_size,), np.float32)
            self._rewards = column("rewards", (), np.float32)
            self._terminals = column("terminals", (), np.uint8)
            self._states = column("states", (state_size,), np.float32) if state_size else None
        except MemoryError as error:
            raise NaturalMujocoError(
                f"A replay of {streams * self.stored} steps does not fit into memory. "
                "Ask for a smaller --replay.capacity, or for --replay.storage mapped."
            ) from error
        except OSError as error:
            raise NaturalMujocoError(
                f"Cannot lay out a replay of {streams * self.stored} steps in {directory}: {error.strerror}. "
                "Ask for a smaller --replay.capacity or another --logdir."
            ) from error
        columns = self._frames, self._actions, self._rewards, self._terminals, self._states
        self._columns = [column for column in columns if column is not None]
        self._checksums = np.zeros((len(self._columns), self.stored), np.uint32)
        # Episodes as segments [start, end) of a stream, in rows ever added; the last one of a stream is still growing.
        self._stream, self._start, self._end = (np.zeros(0, np.int64) for _ in range(3))
        self._current = np.full(streams, -1)

    @property
    def steps(self) -> int:
        """Rows that can be sampled now, over all streams."""
        return min(self.rows, self.capacity) * self.streams

    def add(
        self,
        frames: NDArray[np.uint8] | Tensor,
        actions: NDArray[np.float32] | Tensor,
        rewards: NDArray[np.float32] | Tensor,
        terminals: NDArray[np.bool_] | Tensor,
        first: NDArray[np.bool_],
        states: NDArray[np.float32] | Tensor | None = None,
    ) -> None:
        """Adds one row for each stream: a frame and what led to it; `first` is true if it begins an episode.

        All have the shape [streams, …]. `states` are the physical states of the frames, if the replay keeps them.
        """
        row = self.rows % self.stored
        self._frames.set(row, frames)
        self._actions.set(row, actions, blank=first)
        self._rewards.set(row, rewards, blank=first)
        self._terminals.set(row, terminals, blank=first)
        if self._states is not None:
            assert states is not None
            self._states.set(row, states)
        self._checksums[:, row] = [column.checksum(row) for column in self._columns]
        starting = np.flatnonzero(first)
        if len(starting):
            self._forget()
            self._current[starting] = len(self._stream) + np.arange(len(starting))
            self._stream = np.append(self._stream, starting)
            self._start = np.append(self._start, np.full(len(starting), self.rows))
            self._end = np.append(self._end, np.full(len(starting), self.rows))
        self.rows += 1
        self._end[self._current] = self.rows

    def _forget(self) -> None:
        """Drops episodes that the ring has overwritten completely."""
        kept = (self._end > self.rows - self.capacity) | np.isin(np.arange(len(self._end)), self._current)
        if kept.all():
            return
        moved = np.cumsum(kept) - 1
        self._current = np.where(self._current >= 0, moved[self._current], -1)
        self._stream, self._start, self._end = self._stream[kept], self._start[kept], self._end[kept]

    def _windows(self, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(first row, number of windows of `length` rows) of each episode."""
        low = np.maximum(self._start, self.rows - self.capacity)
        return low, np.maximum(self._end - low - length + 1, 0)

    def windows(self, length: int) -> int:
        """How many different windows of `length` rows lie within an episode."""
        return int(self._windows(length)[1].sum())

    def draw(
        self,
        count: int,
        length: int,
        rng: np.random.Generator,
        edge_windows: bool = False,
        per_episode: int = 1,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Draws `count` windows: (stream, first row, the episode's first row still stored, the episode's first row).

        Every window within an episode is equally likely, but that the `recency`'s share is drawn from recent episodes
        alone. With `edge_windows`, a window may first extend beyond either end of the episode by up to a quarter of its
        length and is then moved inside. An episode's ends are then seen a quarter as often as its middle, but the first
        and last window do not dominate a batch. Each `per_episode` consecutive windows come from the same episode.

        Raises:
            NaturalMujocoError: no episode has `length` rows yet.
        """
        low, windows = self._windows(length)
        if not windows.any():
            raise NaturalMujocoError(
                f"No episode in the replay is {length} steps long yet; collect more or lower --training.batch-length."
            )
        recent = self._end > self.rows - -(-self.recency.steps // self.streams)
        margin = length // 4 if edge_windows else 0
        episode, offset = draw_windows(windows, count, rng, margin, per_episode, recent, self.recency.share)
        return self._stream[episode], low[episode] + offset, low[episode], self._start[episode]

    def sample(
        self,
        count: int,
        length: int,
        rng: np.random.Generator,
        edge_windows: bool = False,
        per_episode: int = 1,
        simultaneous: int = 1,
    ) -> Batch:
        """`count` sequences of `length` rows, each within one episode; see `draw`.

        Each `simultaneous` consecutive ones are the same rows of different streams of one of the `groups` of so many,
        whose episodes begin together; of all streams, if there are fewer.
        """
        simultaneous = min(simultaneous, self.streams)
        stream, start, _, began = self.draw(-(-count // simultaneous), length, rng, edge_windows, per_episode)
        if simultaneous > 1:
            stream = draw_streams(self.streams, simultaneous, len(start), rng)[:count]
            start, began = (np.repeat(x, simultaneous)[:count] for x in (start, began))
        return self._gather(stream[:, None], start[:, None] + np.arange(length), began[:, None])

    def sample_stacked(
        self, count: int, stack: int, rng: np.random.Generator, steps: int = 1
    ) -> tuple[Tensor, Tensor, Batch]:
        """Transitions over some steps with stacked frames, for agents without memory.

        Returns:
            (frames, frames `steps` later, the rows on the way there): uint8 [B, stack, height, width, C] twice, oldest
            first, an episode's first frame repeated before its beginning; and a Batch [B, steps, …].
        """
        stream, start, low, began = self.draw(count, steps + 1, rng)
        frames, later = (self._stacks(stream, row, low, stack) for row in (start, start + steps))
        way = start[:, None] + np.arange(1, steps + 1)
        return frames, later, self._gather(stream[:, None], way, began[:, None])

    def sample_states(self, count: int, stack: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Stacks of frames uint8 [B, stack, height, width, C] as in `sample_stacked`; the states [B, …] of the last."""
        assert self._states is not None
        stream, row, low, _ = self.draw(count, 1, rng)
        return self._stacks(stream, row, low, stack), self._take(self._states, stream, row)

    def recent(self, count: int) -> tuple[Batch, NDArray[np.int64]]:
        """The last rows of every stream in order, at most `count`, and the first row of each row's episode.

        Returns:
            (Batch [streams, rows, …], index of the first row of each row's episode [streams, rows]). The index is
            negative if the episode began before these rows.

        Raises:
            NaturalMujocoError: more rows than the replay holds.
        """
        count = min(count, self.rows)
        if count > self.capacity:
            raise NaturalMujocoError(
                f"The replay holds {self.capacity} steps of each environment and {count} are needed; give a larger "
                "--replay.capacity."
            )
        first = self.rows - count
        began = np.full((self.streams, count), -1, np.int64)
        for stream, start, end in zip(self._stream, self._start, self._end, strict=True):
            began[stream, max(start - first, 0) : max(end - first, 0)] = start - first
        rows = np.broadcast_to(np.arange(first, self.rows), (self.streams, count))
        return self._gather(np.arange(self.streams)[:, None], rows, began + first), began

    def recent_actions(self, count: int) -> NDArray[np.float32]:
        """The actions of the last `count` rows, [count, streams, A]."""
        rows = np.arange(self.rows - count, self.rows)[:, None]
        return self._take(self._actions, np.arange(self.streams), rows).cpu().numpy()

    def last_frames(self) -> Tensor:
        """The newest frame of each stream, uint8 [streams, height, width, C], on the replay's device."""
        return self._take(self._frames, np.arange(self.streams), np.array(self.rows - 1))

    def last_states(self) -> NDArray[np.float32]:
        """The newest physical state of each stream, [streams, state_size]."""
        assert self._states is not None
        return self._take(self._states, np.arange(self.streams), np.array(self.rows - 1)).cpu().numpy()

    def _stacks(self, stream: NDArray, row: NDArray, low: NDArray, stack: int) -> Tensor:
        """The frames up to `row` [B], none of them before `low` [B]: [B, stack, height, width, C]."""
        rows = np.maximum(row[:, None] + np.arange(1 - stack, 1), low[:, None])
        return self._take(self._frames, stream[:, None], rows)

    def _take(self, column: Column, stream: NDArray, rows: NDArray) -> Tensor:
        return column.take(stream * self.stored + rows % self.stored)

    def _gather(self, stream: NDArray, rows: NDArray, began: NDArray) -> Batch:
        """Rows of streams; `began` are the first rows of their episodes. All broadcast."""
        frames, actions, rewards, terminals = (self._take(c, stream, rows) for c in self._columns[:4])
        first = torch.from_numpy(rows == began).to(rewards.device)
        return Batch(frames, actions, rewards, terminals.float(), first.float())

    def sync(self) -> ReplayState:
        """Writes all new rows to the files; returns the state for `restore`. Raises OSError, e.g. on a full disk."""
        new = min(self.rows - self.synced, self.stored)
        for start, stop in stretches(self.rows - new, self.rows, self.stored):
            for column in self._columns:
                column.write(start, stop)
        for column in self._columns if new else ():
            column.sync()
        self.synced = self.rows
        return ReplayState(
            rows=self.rows,
            stream=self._stream.tolist(),
            start=self._start.tolist(),
            end=self._end.tolist(),
            current=self._current.tolist(),
        )

    def tensors(self) -> dict[str, Tensor]:
        """Checksums for a checkpoint, with which `restore` compares the files: int32 [columns, rows of the ring]."""
        return {_CHECKSUMS: torch.from_numpy(self._checksums.view(np.int32).copy())}

    def restore(self, state: ReplayState, tensors: Mapping[str, Tensor], source: str) -> None:
        """Restores the rows in the files as of the `sync` that returned `state`; without files, only their number.

        Args:
            tensors: the tensors of the checkpoint; older versions wrote no checksums.
            source: the file of the tensors, for errors.

        Raises:
            NaturalMujocoError: the state contradicts itself or this replay, or a file does not hold what was written;
                the message names the file and the field or row.
        """
        fault = state.contradiction(self.streams)
        if fault:
            raise NaturalMujocoError(
                f"{source}: replay.{fault}. It is damaged; start a run in another --logdir."
            )
        self.rows = self.synced = state.rows
        if not self.outlives:
            return
        self._stream, self._start, self._end, self._current = (
            np.array(x, np.int64) for x in (state.stream, state.start, state.end, state.current)
        )
        # The running round may have more rows than the capacity.
        kept = self.capacity + ROWS_BETWEEN_CHECKPOINTS
        for start, stop in stretches(max(0, self.rows - kept), self.rows, self.stored):
            for column in self._columns:
                column.read(start, stop)
        known = None
        if _CHECKSUMS in tensors:
            known = take(tensors, _CHECKSUMS, self.tensors()[_CHECKSUMS], source).numpy().view(np.uint32)
        self._verify(known)

    def _verify(self, known: NDArray[np.uint32] | None) -> None:
        """Compares the rows that can be sampled with the `known` checksums, or computes these if there are none."""
        for row in range(max(0, self.rows - self.capacity), self.rows):
            place = row % self.stored
            for i, column in enumerate(self._columns):
                self._checksums[i, place] = column.checksum(place)
                if known is not None and known[i, place] != self._checksums[i, place]:
                    raise NaturalMujocoError(
                        f"{column.file} is damaged: step {row} is not what was written. Bring the file back "
                        "from a copy, or start a run in another --logdir."
                    )
