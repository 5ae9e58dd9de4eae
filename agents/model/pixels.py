"""Stacks of frames for agents without recurrent memory: encoding them, and shifting them at random.

- `PixelEncoder`: the shared convolutions over a stack, projected and normalised.
- `beside`: lays out a stack as one picture of many channels, the encoder's input.
- `random_shift`: DrQ's augmentation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .networks import Encoder


class PixelEncoder(nn.Module):
    """Stacks of frames → features: uint8 [N, stack, height, width, C] → [N, latent], each within (−1, 1).

    `channels` are those of the four convolutions.
    """

    def __init__(self, size: int, stack: int, channels: tuple[int, ...], latent: int) -> None:
        super().__init__()
        self.convolutions = Encoder(size, channels=3 * stack, widths=channels)
        self.projection = nn.Linear(self.convolutions.size, latent)
        self.norm = nn.LayerNorm(latent)

    def forward(self, frames: Tensor) -> Tensor:
        return self.read(beside(frames))

    def read(self, stacks: Tensor) -> Tensor:
        """`forward` for stacks that `beside` has laid out, to do that only once for stacks that are read repeatedly."""
        return torch.tanh(self.norm(self.projection(self.convolutions(stacks)).float()))


def beside(frames: Tensor) -> Tensor:
    """A stack as one picture: [N, stack, height, width, C] → [N, height, width, stack·C]."""
    return frames.permute(0, 2, 3, 1, 4).flatten(3)


def random_shift(frames: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Shifts each stack [N, stack, height, width, C] by up to `pixels` in each direction, repeating edge pixels."""
    n, stack, height, width, _ = frames.shape
    offset = torch.randint(0, 2 * pixels + 1, (2, n, 1), generator=generator, device=frames.device) - pixels
    rows = (offset[0] + torch.arange(height, device=frames.device)).clamp(0, height - 1)  # N height
    columns = (offset[1] + torch.arange(width, device=frames.device)).clamp(0, width - 1)  # N width
    which = torch.arange(n, device=frames.device)[:, None, None, None]
    place = torch.arange(stack, device=frames.device)[None, :, None, None]
    return frames[which, place, rows[:, None, :, None], columns[:, None, None, :]]
