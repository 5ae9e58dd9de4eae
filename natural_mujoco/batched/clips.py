"""The videos of many worlds: every clip of the split in one tensor on the device, and which frame each world shows.

- `Clips`: clips on the device, and the playback of every world.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..backgrounds.playback import Playback, Turn
from ..errors import BatchedError


class Clips:
    """What `num_envs` worlds play: the clips of `playback`, each world at a place of its own.

    Which clip and frame an episode begins with is drawn by `playback.draw`, as for a single environment.
    """

    def __init__(self, playback: Playback, num_envs: int, device: torch.device) -> None:
        self.playback, self._device = playback, device
        opened = [playback.library.frames(video, playback.size, playback.videos) for video in playback.videos]
        lengths = np.array([len(frames) for frames in opened])
        size = int(lengths.sum()) * playback.size**2 * 3
        try:
            # [frames of all clips, size, size, 3]
            self._frames = torch.empty(
                (int(lengths.sum()), playback.size, playback.size, 3), dtype=torch.uint8, device=device
            )
            starts = np.concatenate([[0], np.cumsum(lengths)])
            for first, frames in zip(starts, opened, strict=False):
                self._frames[first : first + len(frames)] = torch.from_numpy(np.array(frames))
        except (RuntimeError, MemoryError) as error:
            raise BatchedError(
                f"The {playback.split} clips of {playback.library.name!r} take {size / 2**30:.1f} GiB, which {device} "
                "does not have. Choose a smaller set, such as 'embedded' or 'ilsvrc-vid-mini'."
            ) from error
        self._first = torch.from_numpy(starts[:-1]).to(device)  # [clips]
        self._length = torch.from_numpy(lengths).to(device)  # [clips]
        # [N] each
        self.video, self._start, self._steps = (
            torch.zeros(num_envs, dtype=torch.int64, device=device) for _ in range(3)
        )

    def begin(self, rows: Tensor, turns: list[Turn]) -> None:
        """Begins the episodes `turns` in the worlds `rows`."""
        self.video[rows] = torch.tensor([turn.position for turn in turns], device=self._device)
        self._start[rows] = torch.tensor([turn.start for turn in turns], device=self._device)
        self._steps[rows] = 0

    def advance(self, moving: Tensor) -> None:
        """Moves the worlds of the mask `moving` (`bool[N]`) on by one frame."""
        self._steps += moving

    def number(self) -> Tensor:
        """Which frame of its clip each world shows: `int64[N]`; see `frame_at`, whose rule this is."""
        position = self._start + self._steps
        length = self._length[self.video]
        if self.playback.playback == "still":
            return self._start.clone()
        if self.playback.playback == "loop":
            return position % length
        position = position % (2 * (length - 1))
        return torch.minimum(position, 2 * (length - 1) - position)

    def frames(self) -> Tensor:
        """What each world shows now: `uint8[N, size, size, 3]`."""
        return self._frames[self._first[self.video] + self.number()]
