"""Actions told as probabilities of bins: learned as a classification, taken as their mean.

The squared error pulls little where an action is nearly right, its gradient dies where tanh is flat, and experts live
at the bounds; the cross-entropy of bins has neither fault (two-hot targets: Schrittwieser et al. 2020, appendix F;
classification in place of regression: Farebrother et al. 2024).

Letters of shapes: see networks.py; K bins lie at equal distances from −1 to 1.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mean_action(logits: Tensor) -> Tensor:
    """The mean of the bins' places: [..., A, K] → [..., A]."""
    places = torch.linspace(-1, 1, logits.shape[-1], device=logits.device)
    return (logits.softmax(-1) * places).sum(-1)  # a product of matrices would be rounded to bfloat16


def cross_entropy(logits: Tensor, actions: Tensor) -> Tensor:
    """In nats, of each action's two neighbouring bins, weighted so that their mean is the action: [..., A].

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
