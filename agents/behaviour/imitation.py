"""How a student's network tells actions, and what it learns them by.

- `OneNumber`: an action is the tanh of one output; its squared or absolute error.
- `Bins`: an action is the mean of probabilities over bins; their cross-entropy.

With the squared error, gradients are small if an action is nearly right, and vanish where tanh is flat, at the bounds,
where experts often act. The cross-entropy over bins has neither fault (two-hot targets: Schrittwieser et al. 2020,
appendix F; classification in place of regression: Farebrother et al. 2024).

Letters of shapes: see networks.py; K outputs for each action.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .noisy_policy import noisy_action


@dataclass(frozen=True)
class OneNumber:
    """One output for each action, K = 1, squashed by tanh."""

    error: Literal["squared", "absolute"]
    outputs: int = 1

    def action(self, answer: Tensor, noise: Tensor | None = None) -> Tensor:
        """The actions [..., A] for outputs [..., A, 1], with `noise` [..., A] added before the tanh."""
        mean = answer.squeeze(-1)
        return torch.tanh(mean if noise is None else mean + noise)

    def loss(self, answer: Tensor, actions: Tensor) -> Tensor:
        """The mean error of the actions for outputs [..., A, 1] against `actions` [..., A]: a scalar."""
        error = self.action(answer) - actions
        return (error.square() if self.error == "squared" else error.abs()).mean()


@dataclass(frozen=True)
class Bins:
    """Logits of K bins for each action, at equal distances from −1 to 1."""

    outputs: int

    def action(self, answer: Tensor, noise: Tensor | None = None) -> Tensor:
        """The mean positions of the bins [..., A] for logits [..., A, K]; `noise` [..., A] is added, and clipped."""
        places = torch.linspace(-1, 1, self.outputs, device=answer.device)
        mean = (answer.softmax(-1) * places).sum(-1)  # a product of matrices would be rounded to bfloat16
        return mean if noise is None else noisy_action(mean, noise)

    def loss(self, answer: Tensor, actions: Tensor) -> Tensor:
        """Mean cross-entropy in nats to targets on the two bins next to each action, weighted to have it as mean.

        Args:
            answer: logits, [..., A, K].
            actions: within [−1, 1], [..., A].
        """
        place = (actions.clamp(-1, 1) + 1) / 2 * (self.outputs - 1)
        low = place.floor().clamp(max=self.outputs - 2)
        above = place - low
        log_probabilities = answer.log_softmax(-1)

        def of(bin_: Tensor) -> Tensor:
            return log_probabilities.gather(-1, bin_.long()[..., None]).squeeze(-1)

        return -((1 - above) * of(low) + above * of(low + 1)).mean()
