"""SAC from pixels: the model-free baseline of the paper. Run with `python -m agents.sac`.

The encoder of the other agents reads a stack of frames and is trained only by the Q loss; actor and Q networks read a
normalised projection of its output. Their sizes and the update are those of the hybrid actor-critic.
"""

from __future__ import annotations

import itertools
import sys
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .agent import Metrics
from .behaviour.actor_critic import Actor
from .behaviour.policies import Policy
from .behaviour.soft_actor_critic import SoftCritic, Transitions
from .model.pixels import PixelEncoder, random_shift
from .stacked_agent import StackedAgent
from .training.batch import on_device
from .training.optimiser import Optimiser, step_together
from .training.pixel_config import PixelSACConfig
from .training.replay import Replay


class StackedBatch(NamedTuple):
    """Transitions between stacks of frames, oldest first."""

    frames: Tensor  # [B, stack, height, width, C] uint8
    next_frames: Tensor  # [B, stack, height, width, C] uint8
    actions: Tensor  # [B, A]
    rewards: Tensor  # [B]
    terminals: Tensor  # [B]


class PixelSAC(StackedAgent[StackedBatch]):
    """The SAC agent, a `StackedAgent`."""

    def __init__(self, config: PixelSACConfig, action_size: int, device: torch.device) -> None:
        super().__init__(config, action_size, device, config.frame_stack)
        self.config, c = config, config
        channels = (c.encoder_depth, 2 * c.encoder_depth, 4 * c.encoder_depth, 8 * c.encoder_depth)
        self.encoder = PixelEncoder(c.environment.size, c.frame_stack, channels, c.latent)
        # The policy must not be saturated at the start: there the tanh passes no gradient, and no model helps out.
        self.actor = Actor(c.latent, action_size, c.units, c.actor_layers, initial_std=1.0)
        self.critic = SoftCritic(
            c.latent,
            action_size,
            c.units,
            c.q_layers,
            c.environment.discount_per_step(c.discount),
            c.target_rate,
            c.initial_temperature,
        )
        self.target_encoder = PixelEncoder(c.environment.size, c.frame_stack, channels, c.latent)
        self.target_encoder.requires_grad_(False)
        self.target_encoder.load_state_dict(self.encoder.state_dict())
        self.to(device)
        q_parameters = itertools.chain(self.encoder.parameters(), self.critic.q.parameters())
        self.optimisers = {
            "q": Optimiser("q", q_parameters, c.learning_rate, c.gradient_clip),
            "actor": Optimiser("actor", self.actor.parameters(), c.learning_rate, c.gradient_clip),
            "temperature": Optimiser(
                "temperature", [self.critic.log_temperature], c.temperature_learning_rate
            ),
        }

    def draw(self, replay: Replay, rng: np.random.Generator) -> StackedBatch:
        """Draws B transitions with stacked frames."""
        frames, following, row = replay.sample_stacked(
            self.config.training.batch_size, self.config.frame_stack, rng
        )
        batch = StackedBatch(frames, following, row.actions[:, 0], row.rewards[:, 0], row.terminals[:, 0])
        return on_device(batch, self.device)

    def update(self, batch: StackedBatch) -> Metrics:
        """Updates Qs with the encoder, actor and temperature on one batch; N = B."""
        frames, following = batch.frames, batch.next_frames
        if self.config.random_shift:
            frames = random_shift(frames, self.config.random_shift, self.update_noise)
            following = random_shift(following, self.config.random_shift, self.update_noise)
        noise = self.normal(2, *batch.actions.shape)
        with self.autocast():
            features = self.encoder(frames)  # [N, latent]
            with torch.no_grad():
                next_policy = self.actor(self.encoder(following))
                target_features = self.target_encoder(following)
            t = Transitions(features, batch.actions, batch.rewards, batch.terminals, target_features)
            targets = self.critic.targets(t, next_policy, noise[0])
            q = self.critic.q_loss(t, targets)
            # Only the Q loss trains the encoder.
            actor, log_prob = self.critic.actor_loss(
                features.detach(), self.actor(features.detach()), noise[1]
            )
        norms = {
            "q": self.optimisers["q"].differentiate(q),
            "actor": self.optimisers["actor"].differentiate(actor),
            "temperature": self.optimisers["temperature"].differentiate(
                self.critic.temperature_loss(log_prob)
            ),
        }
        step_together(self.optimisers.values())
        self.critic.update_targets()
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.target_encoder.parameters()),
                list(self.encoder.parameters()),
                self.config.target_rate,
            )
        return {f"{name}/gradient_norm": norm for name, norm in norms.items()} | {
            "sac/q_loss": q.detach(),
            "sac/actor_loss": actor.detach(),
            "sac/q_target": targets.mean(),
            "sac/temperature": self.critic.temperature.detach(),
            "sac/entropy": -log_prob.detach(),
        }

    def choose(self, stacks: Tensor, noise: Tensor | None) -> Tensor:
        policy: Policy = self.actor(self.encoder(stacks))
        return policy.action(noise)


if __name__ == "__main__":
    from .training.command_line import main

    sys.exit(main("sac"))
