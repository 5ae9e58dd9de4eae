"""CVRL: the agent of the paper. Run with `python -m agents.cvrl`.

A world model trained by contrast (eq. 6), a hybrid actor-critic (eqs. 7 and 8), and latent-guided MPC (A.3). Each
ablation of table 2 removes one of these; they are implemented by `OBSERVATION_MODEL` and three lines of `__init__`.
"""

from __future__ import annotations

import sys

import torch

from .agent import Metrics
from .behaviour.actor_critic import actor_loss, discounts, lambda_returns, value_loss
from .behaviour.soft_actor_critic import SoftCritic, transitions
from .latent_agent import LatentAgent
from .model.networks import initialise_as_keras
from .training.batch import Batch
from .training.config import Ablation, CVRLConfig, ObservationModel
from .training.optimiser import Optimiser, step_together

OBSERVATION_MODEL: dict[Ablation, ObservationModel] = {"generative": "generative", "reward-only": "none"}


class CVRL(LatentAgent):
    """The CVRL agent: a `LatentAgent` with the soft critic of the hybrid actor-critic and the planner."""

    def __init__(self, config: CVRLConfig, action_size: int, device: torch.device) -> None:
        super().__init__(
            config,
            action_size,
            device,
            OBSERVATION_MODEL.get(config.ablation, config.observation),
            config.contrastive,
            None if config.ablation == "no-mpc" else config.planning,
        )
        sac = config.sac
        self.sac_weight = 0.0 if config.ablation == "no-sac" else sac.weight
        self.critic: SoftCritic | None = None
        if self.sac_weight:
            self.critic = SoftCritic(
                self.world_model.rssm.feature_size,
                action_size,
                sac.q_units,
                sac.q_layers,
                self.behaviour.discount,
                sac.target_rate,
                sac.initial_temperature,
                sac.entropy_backup,
            ).to(device)
            if config.initialisation == "keras":
                initialise_as_keras(self.critic.q)
                self.critic.target_q.load_state_dict(self.critic.q.state_dict())
            self.optimisers |= {
                "q": Optimiser("q", self.critic.q.parameters(), sac.learning_rate, sac.gradient_clip),
                "temperature": Optimiser(
                    "temperature", [self.critic.log_temperature], sac.temperature_learning_rate
                ),
            }

    def update(self, batch: Batch) -> Metrics:
        """Updates world model, actor, value, Qs and temperature on one batch. B T A S F H N: see networks.py."""
        b = self.behaviour
        with self.autocast():
            # Encode, infer, contrast, predict rewards: the CELBO (eq. 6).
            model = self.model_loss(batch)
        norms = {"model": self.optimisers["model"].differentiate(model.loss)}

        with self.autocast():
            # Imagine under the actor (A.1) and value what was imagined (A.2).
            imagined = self.imagine_from(model.posterior)  # [H + 1, N, F], [H, N, A]
            rewards = self.world_model.predicted_reward(imagined.features[:-1])  # [H, N]
            values = self.value(imagined.features).squeeze(-1).float()  # [H + 1, N]
        returns = lambda_returns(rewards, values, b.discount, b.lambda_)  # [H, N]
        weights = discounts(returns, b.discount, b.discount_weights)  # [H, 1]

        # L_Dreamer (eq. 7), and L_SAC on the real transitions: L_CVRL = L_Dreamer + α·L_SAC (eq. 8).
        unit = self.return_unit(returns)
        actor = actor_loss(returns / unit, weights) - b.entropy_weight * imagined.entropy()
        value = value_loss(values[:-1], returns, weights)
        metrics = {
            "actor/dreamer_loss": actor.detach(),
            "value/loss": value.detach(),
            "behaviour/return_unit": unit,
        }
        if self.critic is not None:
            soft_actor, soft_metrics = self._soft_actor_critic(
                self.critic, batch, model.posterior.features.detach(), unit
            )
            actor = actor + self.sac_weight * soft_actor
            metrics |= soft_metrics
        norms["actor"] = self.optimisers["actor"].differentiate(actor, retain_graph=True)
        norms["value"] = self.optimisers["value"].differentiate(value)

        step_together(self.optimisers.values())
        if self.critic is not None:
            self.critic.update_targets()
        metrics |= {f"{name}/gradient_norm": norm for name, norm in norms.items()}
        return model.metrics | self.behaviour_metrics(imagined, returns, values) | metrics

    def _soft_actor_critic(
        self, critic: SoftCritic, batch: Batch, features: torch.Tensor, unit: torch.Tensor | float = 1.0
    ) -> tuple[torch.Tensor, Metrics]:
        """L_SAC of eq. 8 on detached posterior latents [B, T, F]: (the actor's loss, metrics).

        Differentiates the losses of Qs and temperature; the caller differentiates the actor's. `unit` is the scalar by
        which the actor's returns are divided.
        """
        with self.autocast():
            t = transitions(features, batch.actions, batch.rewards, batch.terminals)  # N = B·(T − 1)
            noise = self.normal(2, *t.actions.shape)
            targets = critic.targets(t, self.actor(t.next_features), noise[0], unit)
            q = critic.q_loss(t, targets)
            actor, log_prob = critic.actor_loss(t.features, self.actor(t.features), noise[1], unit)
        self.optimisers["q"].differentiate(q)
        self.optimisers["temperature"].differentiate(critic.temperature_loss(log_prob))
        return actor, {
            "sac/q_loss": q.detach(),
            "sac/actor_loss": actor.detach(),
            "sac/q_target": targets.mean(),
            "sac/temperature": critic.temperature.detach(),
            "sac/entropy": -log_prob.detach(),
        }


if __name__ == "__main__":
    from .training.command_line import main

    sys.exit(main("cvrl"))
