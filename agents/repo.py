"""RePo: a latent that keeps only what predicts the reward. Run with `python -m agents.repo`.

Dreamer without a decoder. The information that the latent takes from observations, beyond what the dynamics predict, is
bounded: maximise log p(r | s) subject to KL[posterior ‖ prior] ≤ `target`, with a learned Lagrange multiplier (Zhu and
others 2023).
"""

from __future__ import annotations

import math
import sys

import torch
from torch import Tensor, nn

from .agent import Metrics
from .dreamer import Dreamer
from .model.rssm import kl_loss
from .model.world_model import ModelLoss
from .training.batch import Batch
from .training.config import RePoConfig
from .training.optimiser import Optimiser, step_together


class Multiplier(nn.Module):
    """β of the Lagrangian −log p(r | s) + β·(KL − target), learned by gradient ascent on its logarithm."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(math.log(initial)))

    def forward(self) -> Tensor:
        """β, a scalar without gradient, since the model's loss must not change it."""
        return self.log.detach().exp()

    def dual_loss(self, kl: Tensor, target: float) -> Tensor:
        """The loss, a scalar, whose descent raises log β while the KL (a scalar in nats) is above `target`."""
        return -self.log * (kl.detach() - target)


class RePo(Dreamer):
    """The RePo agent: `Dreamer` without an observation model, with a learned bound on the KL."""

    observation_model = "none"

    def __init__(self, config: RePoConfig, action_size: int, device: torch.device) -> None:
        super().__init__(config, action_size, device)
        self.bottleneck = config.bottleneck
        self.multiplier = Multiplier(config.bottleneck.initial_multiplier).to(device)
        self.optimisers["multiplier"] = Optimiser(
            "multiplier", self.multiplier.parameters(), config.bottleneck.learning_rate
        )

    def model_loss(self, batch: Batch) -> ModelLoss:
        """The Lagrangian for the present β, with newly drawn noise."""
        model = self.world_model
        noise = self.normal(*batch.rewards.shape, model.rssm.stochastic_size)
        posterior, prior, embeddings = model.infer(batch, noise, self.seen(batch))
        reward = model.reward_log_prob(batch, posterior.features)
        balanced, kl = kl_loss(posterior, prior, 0.0, self.bottleneck.prior_share)
        loss = self.multiplier() * balanced - model.config.reward_weight * reward
        metrics = {"model/loss": loss, "model/kl": kl, "model/reward_log_prob": reward}
        return ModelLoss(loss, posterior, embeddings, {k: v.detach() for k, v in metrics.items()})

    def update(self, batch: Batch) -> Metrics:
        """Dreamer's update for the present β, then a step of β."""
        metrics = super().update(batch)
        return metrics | self._move_multiplier(metrics["model/kl"])

    def warm_up(self, batch: Batch) -> Metrics:
        """A step of the world model and of β."""
        metrics = super().warm_up(batch)
        return metrics | self._move_multiplier(metrics["model/kl"])

    def _move_multiplier(self, kl: Tensor) -> Metrics:
        optimiser = self.optimisers["multiplier"]
        optimiser.differentiate(self.multiplier.dual_loss(kl, self.bottleneck.target))
        step_together([optimiser], judged=self.optimisers.values())
        return {"model/multiplier": self.multiplier()}


if __name__ == "__main__":
    from .training.command_line import main

    sys.exit(main("repo"))
