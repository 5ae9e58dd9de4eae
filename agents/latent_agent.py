"""The base of Dreamer, RePo and CVRL: a world model, an actor and a value over its latents, and acting with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from .agent import Agent, Memory, Metrics
from .behaviour.actor_critic import Actor, Imagination, ReturnRange, imagine
from .behaviour.planning import Planner, planned_in
from .model.augmentation import augmented
from .model.distributions import Generators, standard_normal
from .model.networks import MLP, initialise_as_keras
from .model.rssm import Latent
from .model.world_model import ModelLoss, WorldModel
from .training.batch import Batch, on_device
from .training.config import ContrastiveConfig, DreamerConfig, ObservationModel, PlanningConfig
from .training.optimiser import Optimiser, step_together
from .training.replay import Replay


class LatentAgent(Agent[Batch]):
    """A recurrent agent, whose memory is its posterior latent and its last action.

    Args:
        observation_model: the kind of observation model; see world_model.py.
        contrastive: sizes for eq. 5, if the observation model is contrastive.
        planning: settings of A.3; None for an agent that never plans.
    """

    recordable = True

    def __init__(
        self,
        config: DreamerConfig,
        action_size: int,
        device: torch.device,
        observation_model: ObservationModel,
        contrastive: ContrastiveConfig | None = None,
        planning: PlanningConfig | None = None,
    ) -> None:
        super().__init__(config, action_size, device)
        self.config, self.planning, fast = config, planning, config.training.fast
        # The setting is per two control steps; the agent uses the discount per agent step.
        discount = config.environment.discount_per_step(config.behaviour.discount)
        self.behaviour = b = replace(config.behaviour, discount=discount)
        self.world_model = WorldModel(
            action_size, observation_model, config.model, contrastive, config.environment.size, fast
        )
        features = self.world_model.rssm.feature_size
        self.actor = Actor(
            features,
            action_size,
            b.actor_units,
            b.actor_layers,
            b.initial_std,
            b.mean_scale,
            b.min_std,
            b.policy == "truncated-normal",
        )
        self.value = MLP(features, b.value_units, b.value_layers, 1)
        if config.initialisation == "keras":
            for module in (self.world_model, self.actor, self.value):
                initialise_as_keras(module)
        self.return_range = ReturnRange() if b.normalise_returns else None
        self.to(device)
        self.optimisers = {
            "model": Optimiser(
                "model", self.world_model.parameters(), config.model.learning_rate, config.model.gradient_clip
            ),
            "actor": Optimiser("actor", self.actor.parameters(), b.actor_learning_rate, b.gradient_clip),
            "value": Optimiser("value", self.value.parameters(), b.value_learning_rate, b.gradient_clip),
        }

    def draw(self, replay: Replay, rng: np.random.Generator) -> Batch:
        """Draws B sequences of T steps, each within one episode."""
        t, r = self.config.training, self.config.replay
        batch = replay.sample(
            t.batch_size,
            t.batch_length,
            rng,
            r.edge_windows,
            r.windows_per_episode,
            r.simultaneous_windows,
        )
        return on_device(batch, self.device)

    def model_loss(self, batch: Batch) -> ModelLoss:
        """The world model's loss on a batch, with newly drawn noise."""
        noise = self.normal(*batch.rewards.shape, self.world_model.rssm.stochastic_size)
        return self.world_model.loss(batch, noise, self.seen(batch))

    def seen(self, batch: Batch) -> Tensor:
        """The batch's frames with augmentation, as the encoder gets them in training: [B, T, height, width, C]."""
        return augmented(batch.frames, self.config.augmentation, self.update_noise)

    def warm_up(self, batch: Batch) -> Metrics:
        """Updates only the world model."""
        with self.autocast():
            model = self.model_loss(batch)
        norm = self.optimisers["model"].differentiate(model.loss)
        step_together([self.optimisers["model"]])
        return model.metrics | {"model/gradient_norm": norm}

    def imagine_from(self, posterior: Latent) -> Imagination:
        """Appendix A.1 from every posterior state of the batch, or from as many as configured: [B, T, ·] → N starts."""
        start = posterior.detach().flatten()
        count = self.behaviour.imagination_starts
        if 0 < count < len(start.stochastic):
            chosen = torch.randperm(len(start.stochastic), generator=self.update_noise, device=self.device)[
                :count
            ]
            start = Latent(*(x[chosen] for x in start))
        n, horizon = len(start.stochastic), self.behaviour.horizon
        return imagine(
            self.world_model,
            self.actor,
            start,
            self.normal(horizon, n, self.action_size),
            self.normal(horizon, n, start.stochastic.shape[-1]),
        )

    def return_unit(self, returns: Tensor) -> Tensor:
        """The scalar by which the actor's returns are divided, updated by `returns` [H, N]; 1 without normalisation."""
        if self.return_range is None:
            return torch.ones((), device=self.device)
        return self.return_range.follow(returns)

    def behaviour_metrics(self, imagined: Imagination, returns: Tensor, values: Tensor) -> Metrics:
        """Metrics of the imagination: its returns and values, and how saturated the actor's actions are."""
        actions = imagined.actions.detach()
        return {
            "behaviour/imagined_return": returns.detach().mean(),
            "behaviour/value": values.detach().mean(),
            "behaviour/entropy": imagined.entropy().detach(),
            "behaviour/policy_std": imagined.policy.std.detach().mean(),
            "behaviour/saturated_actions": (actions.abs() > 0.99).float().mean(),
        }

    def begin(self, num_envs: int) -> Memory:
        latent = self.world_model.rssm.initial(num_envs)
        return latent._asdict() | {"action": torch.zeros(num_envs, self.action_size, device=self.device)}

    def act(
        self, frames: Tensor, memory: Memory, generators: Generators, exploring: bool
    ) -> tuple[Tensor, Memory]:
        """Infers the posterior, then acts with the planner if configured, else with the actor.

        While exploring, actions are samples of the policy plus noise N(0, `exploration_noise`²); in evaluation they are
        the policy's modes, or samples if `evaluate_with` says so.
        """
        sampled = exploring or self.behaviour.evaluate_with == "samples"
        previous = Latent(*(memory[k] for k in Latent._fields))
        n, size = previous.stochastic.shape

        with torch.no_grad(), self.autocast():
            embedding = self.world_model.encoder(frames)
            latent, _ = self.world_model.rssm.observe_step(
                previous, memory["action"], embedding, standard_normal(generators, n, size)
            )
            if self.planning is not None and planned_in(self.planning, exploring):
                planner = Planner(self.world_model, self.actor, self.value, self.behaviour, self.planning)
                action = planner(latent, generators, sampled)
            else:
                policy = self.actor(latent.features)
                action = (
                    policy.sample(standard_normal(generators, n, self.action_size))[0]
                    if sampled
                    else policy.mode()
                )
            if exploring:
                action = action + self.behaviour.exploration_noise * standard_normal(
                    generators, n, self.action_size
                )
            action = action.clamp(-1, 1)
        return action, latent._asdict() | {"action": action}
