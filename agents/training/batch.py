"""Batches of sequences, from which sequence models learn."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """Sequences, each within one episode; row t holds frame t and the action and reward that led to it."""

    frames: Tensor  # [B, T, height, width, C] uint8
    actions: Tensor  # [B, T, A], actions[:, t] was taken at frame t − 1
    rewards: Tensor  # [B, T], of arriving at frame t
    terminals: Tensor  # [B, T], 1 where frame t is that of a terminal state
    first: Tensor  # [B, T], 1 where frame t began the episode: neither action nor reward came with it

    def to(self, device: torch.device) -> Batch:
        """The batch on `device`. To a GPU it goes by page-locked memory, so that nothing waits for the copy."""
        if device.type == "cuda":
            return Batch(*(x if x.is_cuda else x.pin_memory().to(device, non_blocking=True) for x in self))
        return Batch(*(x.to(device) for x in self))
