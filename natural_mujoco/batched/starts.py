"""Initial states of episodes, from dm_control's own `initialize_episode` with one random stream for each world.

- `Starts`: draws the states in which the next episodes begin, some of them ahead of time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..conversion import ConvertedTask
from .simulation import Start


class Starts:
    """The next episodes of `num_envs` worlds, whose streams are those of single environments with the same seeds.

    dm_control runs on the CPU, one world after the other, and takes from a quarter of a millisecond (pendulum) to some
    milliseconds (cheetah, quadruped) for each; `draw_ahead` does part of this work while the device is busy.
    """

    def __init__(self, converted: ConvertedTask, num_envs: int, device: torch.device) -> None:
        self._converted, self._device = converted, device
        self._streams: list[np.random.RandomState | None] = [None] * num_envs
        self._drawn: dict[int, tuple[Any, ...]] = {}
        self._next = 0

    def seed(self, row: int, seed: int) -> None:
        """Seeds the stream of world `row` and drops a state drawn ahead from the old one."""
        self._streams[row] = np.random.RandomState(seed)
        self._drawn.pop(row, None)

    def take(self, rows: list[int]) -> Start:
        """The states in which the next episodes of `rows` begin, on the device, one row for each world."""
        states = [self._drawn.pop(row) if row in self._drawn else self._draw(row) for row in rows]
        columns = zip(*states, strict=True)
        return Start(
            *(torch.from_numpy(np.stack(column).astype(np.float32)).to(self._device) for column in columns)
        )

    def draw_ahead(self, number: int) -> None:
        """Draws the next states of up to `number` worlds that have none ready."""
        rows = len(self._streams)
        for _ in range(min(number, rows - len(self._drawn))):
            while self._next in self._drawn:
                self._next = (self._next + 1) % rows
            self._drawn[self._next] = self._draw(self._next)

    def _draw(self, row: int) -> tuple[Any, ...]:
        self._converted.np_random = self._streams[row]
        self._converted.reset()
        physics = self._converted.dm_control_env.physics
        data, model = physics.data, physics.model
        state = data.qpos, data.qvel, data.act, data.qacc_warmstart, data.sensordata, model.geom_pos
        return tuple(np.array(part) for part in state)
