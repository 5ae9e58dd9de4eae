"""The contrastive observation model: eq. 5, appendix B "Contrastive Learning".

Letters of shapes: see networks.py. States and observations come as flat batches of N = B·T, sequence by sequence:
row b·T + t is step t of sequence b.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Contrast(NamedTuple):
    """How well states identify their own observations among all observations of the batch."""

    loss: Tensor  # InfoNCE in nats, scalar: log N by chance, 0 if all observations are told apart
    accuracy: Tensor  # share of states whose own observation scores highest among all N
    accuracy_within: Tensor  # the same among the T observations of their own sequence: tells motion apart
    accuracy_across: (
        Tensor  # share whose highest-scoring observation is of their own sequence: tells clips apart
    )


def info_nce(scores: Tensor, length: int) -> Contrast:
    """Eq. 5 with all other observations of the batch as negatives.

    Args:
        scores: log f(s_i, o_j), [N, N]; row i is a state, column i its own observation.
        length: T, the steps of a sequence; N is a multiple of it.
    """
    n = len(scores)
    if scores.shape != (n, n) or n % length:
        raise ValueError(f"Scores must be [B·T, B·T] with T = {length}, not {list(scores.shape)}.")
    own = torch.arange(n, device=scores.device)
    loss = F.cross_entropy(scores.float(), own)
    with torch.no_grad():
        best = scores.argmax(1)
        sequences = n // length
        blocks = scores.view(sequences, length, sequences, length).diagonal(dim1=0, dim2=2)  # T T B
        within = blocks.argmax(1) == torch.arange(length, device=scores.device)[:, None]
        return Contrast(
            loss,
            (best == own).float().mean(),
            within.float().mean(),
            (best // length == own // length).float().mean(),
        )


class _Branch(nn.Module):
    """Fully connected layers with ELU between them, and after the last if asked: [N, inputs] → [N, units[-1]]."""

    def __init__(self, inputs: int, units: tuple[int, ...], activate_last: bool) -> None:
        super().__init__()
        sizes = (inputs, *units)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.activate_last = activate_last

    def forward(self, x: Tensor) -> Tensor:
        last = len(self.layers) - 1
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i < last or self.activate_last:
                x = F.elu(x)
        return x


class Contrastive(nn.Module):
    """`f(s, o) = exp(zᵀ W s')` with z and s' embeddings of observation and state (section 3.1, appendix B).

    Args:
        features, embedding: F and E, the sizes of what the two branches read.
        state_units, observation_units: sizes of the layers of the branches; without W both must end in the same size.
        bilinear: whether there is a W; without it the score is the dot product (as in the released code).
        activate_last: whether there is an ELU after the last layer too (as in the released code).
    """

    def __init__(
        self,
        features: int,
        embedding: int,
        state_units: tuple[int, ...] = (200, 200),
        observation_units: tuple[int, ...] = (200, 200),
        bilinear: bool = True,
        activate_last: bool = False,
    ) -> None:
        super().__init__()
        if state_units[-1] != observation_units[-1] and not bilinear:
            raise ValueError("Without W both branches must end in the same size.")
        self.state_branch = _Branch(features, state_units, activate_last)
        self.observation_branch = _Branch(embedding, observation_units, activate_last)
        self.weight = nn.Parameter(torch.empty(observation_units[-1], state_units[-1])) if bilinear else None
        if self.weight is not None:
            nn.init.orthogonal_(self.weight)

    def scores(self, features: Tensor, embeddings: Tensor) -> Tensor:
        """log f of every state with every observation: [N, F], [N, E] → [N, N].

        Computed in the parameters' own precision, never under autocast. If frames hardly differ, all N observations get
        a probability of about 1/N, which bfloat16 rounds the same way for all. The gradients of a row then do not sum
        to zero, and an offset common to all scores grows without bound: on a standard background the loss went from
        6 nats to 10⁹ within 200 updates.
        """
        with torch.autocast(features.device.type, enabled=False):
            dtype = next(self.parameters()).dtype
            s = self.state_branch(features.to(dtype))
            z = self.observation_branch(embeddings.to(dtype))
            if self.weight is not None:
                z = z @ self.weight
            return s @ z.T

    def forward(self, features: Tensor, embeddings: Tensor) -> Contrast:
        """Eq. 5 for sequences: features [B, T, F], embeddings [B, T, E]."""
        length = features.shape[1]
        return info_nce(self.scores(features.flatten(0, 1), embeddings.flatten(0, 1)), length)
