"""Dreamer: the generative baseline of the paper. Run with `python -m agents.dreamer`.

It learns a world model by reconstruction (eq. 2) and behaviour by latent imagination (eq. 7), without SAC or MPC.
"""

from __future__ import annotations

import sys

import torch

from .agent import Metrics
from .behaviour.actor_critic import actor_loss, discounts, lambda_returns, value_loss
from .latent_agent import LatentAgent
from .training.batch import Batch
from .training.config import DreamerConfig, ObservationModel
from .training.optimiser import step_together


class Dreamer(LatentAgent):
    """The Dreamer agent: a `LatentAgent` whose observation model is a decoder."""

    observation_model: ObservationModel = "generative"

    def __init__(self, config: DreamerConfig, action_size: int, device: torch.device) -> None:
        super().__init__(config, action_size, device, self.observation_model)

    def update(self, batch: Batch) -> Metrics:
        """Updates world model, actor and value on one batch. B T A S F H N: see networks.py."""
        b = self.behaviour
        with self.autocast():
            # Encode, infer, reconstruct, predict rewards (eq. 2).
            model = self.model_loss(batch)
        model_norm = self.optimisers["model"].differentiate(model.loss)

        with self.autocast():
            # Imagine under the actor (A.1) and value what was imagined (A.2).
            imagined = self.imagine_from(model.posterior)  # [H + 1, N, F], [H, N, A]
            rewards = self.world_model.predicted_reward(imagined.features[:-1])  # [H, N]
            values = self.value(imagined.features).squeeze(-1).float()  # [H + 1, N]
        returns = lambda_returns(rewards, values, b.discount, b.lambda_)  # [H, N]
        weights = discounts(returns, b.discount, b.discount_weights)  # [H, 1]

        # Actor and value (eq. 7).
        unit = self.return_unit(returns)
        actor = actor_loss(returns / unit, weights) - b.entropy_weight * imagined.entropy()
        value = value_loss(values[:-1], returns, weights)
        actor_norm = self.optimisers["actor"].differentiate(actor, retain_graph=True)
        value_norm = self.optimisers["value"].differentiate(value)

        step_together([self.optimisers[name] for name in ("model", "actor", "value")])
        return (
            model.metrics
            | self.behaviour_metrics(imagined, returns, values)
            | {
                "actor/loss": actor.detach(),
                "behaviour/return_unit": unit,
                "value/loss": value.detach(),
                "model/gradient_norm": model_norm,
                "actor/gradient_norm": actor_norm,
                "value/gradient_norm": value_norm,
            }
        )


if __name__ == "__main__":
    from .training.command_line import main

    sys.exit(main("dreamer"))
