"""Augmentation of sequences of frames before the encoder reads them, the same for all frames of a sequence.

Letters of shapes: see networks.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..training.config import AugmentationConfig
from .pixels import random_shift


def augmented(frames: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """Augments frames for the encoder: uint8 [B, T, height, width, C] → the same shape.

    All frames of a sequence are shifted alike, since shifts of single frames would look like motion. If all
    augmentation is off, returns `frames` itself and draws no random number.
    """
    if config.random_shift:
        frames = random_shift(frames, config.random_shift, generator)
    if config.overlay_probability and len(frames) > 1:
        frames = overlay(frames, config.overlay_probability, config.overlay_weight, generator)
    return frames


def overlay(frames: Tensor, probability: float, most: float, generator: torch.Generator) -> Tensor:
    """Overlays some sequences with one still frame of another sequence: uint8 [B, T, height, width, C].

    Args:
        probability: that a sequence is overlaid.
        most: the other frame's weight is uniform in [0, most].
    """
    (b, t), device = frames.shape[:2], frames.device
    distance = torch.randint(1, b, (b,), generator=generator, device=device)
    step = torch.randint(t, (b,), generator=generator, device=device)
    draws = torch.rand(2, b, generator=generator, device=device)
    weight = torch.where(draws[0] < probability, most * draws[1], 0.0)
    other = frames[(torch.arange(b, device=device) + distance) % b, step]  # B height width C
    return (
        torch.lerp(frames.float(), other[:, None].float(), weight[:, None, None, None, None]).round().byte()
    )
