"""Batches of experience: that of sequence models, and how any batch comes to a device."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

BatchT = TypeVar("BatchT", bound=NamedTuple)
"""What an agent learns from: a named tuple of tensors."""


class Batch(NamedTuple):
    """Sequences, each within one episode; row t holds frame t and the action and reward that led to it."""

    frames: Tensor  # [B, T, height, width, C] uint8
    actions: Tensor  # [B, T, A], actions[:, t] was taken at frame t − 1
    rewards: Tensor  # [B, T], of arriving at frame t
    terminals: Tensor  # [B, T], 1 where frame t is that of a terminal state
    first: Tensor  # [B, T], 1 where frame t began the episode: neither action nor reward came with it


def on_device(batch: BatchT, device: torch.device) -> BatchT:
    """A named tuple of tensors on `device`. To a GPU they go by page-locked memory, so that nothing waits."""

    def moved(x: Tensor) -> Tensor:
        if device.type == "cuda" and not x.is_cuda:
            x = x.pin_memory()
        return x.to(device, non_blocking=True)

    return batch._make(map(moved, batch))
