"""What may be done to sequences of frames before an encoder reads them, alike over a whole sequence.

Letters of shapes: see networks.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..training.config import AugmentationConfig
from .pixels import random_shift


def augmented(frames: Tensor, config: AugmentationConfig, generator: torch.Generator) -> Tensor:
    """Frames as the encoder is to see them in training: uint8 [B, T, height, width, C] → the same.

    One shift for all frames of a sequence: shifts of single frames would look like motion. Where all is off, `frames`
    itself, and no random number is drawn.
    """
    if config.random_shift:
        frames = random_shift(frames, config.random_shift, generator)
    if config.overlay_probability and len(frames) > 1:
        frames = overlay(frames, config.overlay_probability, config.overlay_weight, generator)
    return frames


def overlay(frames: Tensor, probability: float, most: float, generator: torch.Generator) -> Tensor:
    """Some sequences under one frame of another sequence, which stands still: uint8 [B, T, height, width, C].

    Args:
        probability: of each sequence.
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
