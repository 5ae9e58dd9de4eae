"""DrQ-v2 from pixels: the off-policy baseline with augmentation. Run with `python -m agents.drqv2`.

A deterministic policy with scheduled exploration noise, two Q networks on n-step returns, and random shifts of all
frames in a batch. Only the Q loss trains the encoder, which has no target copy.
"""

from __future__ import annotations

import itertools
import sys
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .agent import Metrics
from .behaviour.noisy_policy import noisy_action, step_returns
from .behaviour.soft_actor_critic import TwinQ
from .model.networks import MLP
from .model.pixels import PixelEncoder, random_shift
from .stacked_agent import StackedAgent
from .training.batch import on_device
from .training.optimiser import Optimiser, step_together
from .training.pixel_config import DrQv2Config
from .training.replay import Replay


class StackedSteps(NamedTuple):
    """Stacks of frames (oldest first), stacks n steps later, and the actions and rewards between them."""

    frames: Tensor  # [B, stack, height, width, C] uint8
    later_frames: Tensor  # [B, stack, height, width, C] uint8
    actions: Tensor  # [B, A], the first of the n
    rewards: Tensor  # [B, n]
    terminals: Tensor  # [B, n]


class DrQv2(StackedAgent[StackedSteps]):
    """The DrQ-v2 agent: a `StackedAgent` whose actor and Qs read the same normalised projection of the encoder."""

    updates: Tensor

    def __init__(self, config: DrQv2Config, action_size: int, device: torch.device) -> None:
        super().__init__(config, action_size, device, config.frame_stack)
        self.config, c = config, config
        self.discount = c.environment.discount_per_step(c.discount)
        self.encoder = PixelEncoder(c.environment.size, c.frame_stack, c.channels, c.latent)
        self.actor = MLP(c.latent, c.units, c.layers, action_size)
        self.q = TwinQ(c.latent, action_size, c.units, c.layers)
        self.target_q = TwinQ(c.latent, action_size, c.units, c.layers)
        self.target_q.load_state_dict(self.q.state_dict())
        self.target_q.requires_grad_(False)
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        self.to(device)
        q_parameters = itertools.chain(self.encoder.parameters(), self.q.parameters())
        self.optimisers = {
            "q": Optimiser("q", q_parameters, c.learning_rate, c.gradient_clip),
            "actor": Optimiser("actor", self.actor.parameters(), c.learning_rate, c.gradient_clip),
        }

    def noise_std(self) -> float:
        """The present standard deviation of exploration noise: falls linearly to its final value, then stays there."""
        c = self.config
        # The agent does not count steps, so that its number of updates tells how far the run has come.
        behind = c.training.prefill + 1000 * int(self.updates) / max(c.training.updates_per_1000_steps, 1e-9)
        share = min(1.0, behind / c.noise_steps)
        return (1 - share) * c.initial_noise + share * c.final_noise

    def choose(self, stacks: Tensor, noise: Tensor | None) -> Tensor:
        mean = torch.tanh(self.actor(self.encoder(stacks)))
        return mean if noise is None else noisy_action(mean, self.noise_std() * noise)

    def draw(self, replay: Replay, rng: np.random.Generator) -> StackedSteps:
        """Draws B pieces of n steps, each within one episode."""
        c = self.config
        frames, later, way = replay.sample_stacked(c.training.batch_size, c.frame_stack, rng, c.n_step)
        batch = StackedSteps(frames, later, way.actions[:, 0], way.rewards, way.terminals)
        return on_device(batch, self.device)

    def update(self, batch: StackedSteps) -> Metrics:
        """Updates the Qs with the encoder, then the actor, on one batch of size B."""
        c, std = self.config, self.noise_std()
        frames = random_shift(batch.frames, c.random_shift, self.update_noise)
        later_frames = random_shift(batch.later_frames, c.random_shift, self.update_noise)
        noise = (std * self.normal(2, *batch.actions.shape)).clamp(-c.noise_clip, c.noise_clip)

        with self.autocast():
            features = self.encoder(frames)  # [B, latent]
            with torch.no_grad():
                # Σ γ^k r + γ^n min Q'(s', a'), the noise in a' bounded (clipped double Q, smoothed targets).
                later = self.encoder(later_frames)
                action = noisy_action(torch.tanh(self.actor(later)), noise[0])
                value = self.target_q(later, action).amin(0)
                targets = step_returns(batch.rewards, batch.terminals, value, self.discount)
            q = self.q(features, batch.actions)  # [2, B]
            q_loss = (q - targets).square().mean(1).sum()

            # The deterministic policy gradient, which does not reach the encoder.
            seen = features.detach()
            action = noisy_action(torch.tanh(self.actor(seen)), noise[1])
            actor_loss = -self.q(seen, action).amin(0).mean()
        q_norm = self.optimisers["q"].differentiate(q_loss)
        actor_norm = self.optimisers["actor"].differentiate(actor_loss)

        step_together(self.optimisers.values())
        with torch.no_grad():
            torch._foreach_lerp_(list(self.target_q.parameters()), list(self.q.parameters()), c.target_rate)
        self.updates += 1
        return {
            "q/loss": q_loss.detach(),
            "q/target": targets.mean(),
            "actor/loss": actor_loss.detach(),
            "behaviour/noise_std": torch.tensor(std),
            "behaviour/saturated_actions": (action.detach().abs() > 0.99).float().mean(),
            "q/gradient_norm": q_norm,
            "actor/gradient_norm": actor_norm,
        }


if __name__ == "__main__":
    from .training.command_line import main

    sys.exit(main("drqv2"))
