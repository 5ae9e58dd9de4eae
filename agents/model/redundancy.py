"""Redundancy reduction instead of a decoder: Barlow Twins between latent state and embedding, as in R2-Dreamer.

Letters of shapes: see networks.py.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

# R2-Dreamer's weights: of the whole term, and within it of the off-diagonal part.
WEIGHT, OFF_DIAGONAL = 0.05, 5e-4


class Redundancy(NamedTuple):
    """How well states predict their observations' embeddings, without redundancy between dimensions."""

    loss: Tensor  # scalar, to be minimised
    agreement: (
        Tensor  # mean correlation of a dimension of the projected state with the same one of the embedding
    )


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson correlations of the columns of `a` [N, D] with those of `b` [N, D]: [D, D]."""
    a, b = ((x - x.mean(0)) / (x.std(0, correction=0) + 1e-6) for x in (a, b))
    return a.T @ b / len(a)


class RedundancyReduction(nn.Module):
    """Σ (1 − C_ii)² + λ Σ C_ij², with C the correlations of a linear projection of the states with the embeddings.

    Embeddings are targets without gradients; the encoder learns only through the posterior. Observations are not
    compared with each other, so that recognising a sequence by its clip does not lower the loss.
    """

    def __init__(self, features: int, embedding: int) -> None:
        super().__init__()
        self.projection = nn.Linear(features, embedding)

    def forward(self, features: Tensor, embeddings: Tensor) -> Redundancy:
        """The loss for features [B, T, F] and embeddings [B, T, E], in float32, never under autocast."""
        with torch.autocast(features.device.type, enabled=False):
            projected = self.projection(features.flatten(0, 1).float())
            c = correlation(projected, embeddings.detach().flatten(0, 1).float())
        diagonal = c.diagonal()
        shared = c.square().sum() - diagonal.square().sum()
        loss = (1 - diagonal).square().sum() + OFF_DIAGONAL * shared
        return Redundancy(WEIGHT * loss, diagonal.mean())
