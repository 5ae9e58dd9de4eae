"""Actions represented as probabilities over bins: learned by classification; the action is the mean.

With the squared error, gradients are small if an action is nearly right, and vanish where tanh is flat, at the bounds,
where experts often act. The cross-entropy over bins has neither fault (two-hot targets: Schrittwieser et al. 2020,
appendix F; classification in place of regression: Farebrother et al. 2024).

Letters of shapes: see networks.py; K bins lie at equal distances from −1 to 1.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mean_action(logits: Tensor) -> Tensor:
    """The mean of the bins' positions under their probabilities: [..., A, K] → [..., A]."""
    places = torch.linspace(-1, 1, logits.shape[-1], device=logits.device)
    return (logits.softmax(-1) * places).sum(-1)  # a product of matrices would be rounded to bfloat16


def cross_entropy(logits: Tensor, actions: Tensor) -> Tensor:
    """Cross-entropy in nats, [..., A], to a target on the two bins next to the action, weighted to have it as mean.

    Args:
        logits: [..., A, K].
        actions: within [−1, 1], [..., A].
    """
    bins = logits.shape[-1]
    place = (actions.clamp(-1, 1) + 1) / 2 * (bins - 1)
    low = place.floor().clamp(max=bins - 2)
    above = place - low
    log_probabilities = logits.log_softmax(-1)

    def of(bin_: Tensor) -> Tensor:
        return log_probabilities.gather(-1, bin_.long()[..., None]).squeeze(-1)

    return -((1 - above) * of(low) + above * of(low + 1))
