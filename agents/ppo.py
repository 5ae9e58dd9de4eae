"""PPO from pixels: the on-policy baseline. Run with `python -m agents.ppo`.

Every frame is used within seconds of being rendered and then never again, so that backgrounds cannot be memorised. The
replay holds little more than the last rollout. Log-densities of its actions are computed before the first gradient
step, with the parameters that chose the actions.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from .agent import Metrics
from .behaviour.policies import Policy, TanhNormal
from .behaviour.policy_gradient import clipped_objective, generalised_advantages
from .model.distributions import normal_entropy, normal_log_prob
from .model.networks import MLP, orthogonal_
from .model.pixels import PixelEncoder, beside
from .stacked_agent import StackedAgent
from .training.batch import on_device
from .training.optimiser import Optimiser, step_together
from .training.pixel_config import PPOConfig
from .training.replay import Replay

BOUND = 1 - 1e-6  # actions are taken back through the tanh, which is infinite at ±1


class Rollout(NamedTuple):
    """Experience of N environments with T + 1 states each, and their K ≥ T + 1 frames, as stacks reach further back."""

    frames: Tensor  # [N, K, height, width, C] uint8
    stacks: Tensor  # [N, T + 1, stack], which of all N·K frames a state sees, oldest first
    actions: Tensor  # [N, T, A], from state t to state t + 1
    rewards: Tensor  # [N, T], of that step
    terminals: Tensor  # [N, T], 1 where state t + 1 is terminal
    cut: Tensor  # [N, T], 1 where state t + 1 begins another episode: no step was taken


class PPO(StackedAgent[Rollout]):
    """The PPO agent: a `StackedAgent` whose policy and value are linear in the same features."""

    on_policy = True
    return_mean: Tensor
    return_std: Tensor
    rows_learned: Tensor
    rollouts: Tensor

    def __init__(self, config: PPOConfig, action_size: int, device: torch.device) -> None:
        super().__init__(config, action_size, device, config.frame_stack)
        self.config, c = config, config
        self.discount = c.environment.discount_per_step(c.discount)
        self.encoder = PixelEncoder(c.environment.size, c.frame_stack, c.channels, c.units)
        self.mean = MLP(c.units, 0, 0, action_size)
        self.log_std = nn.Parameter(torch.full((action_size,), c.initial_log_std))
        self.value = MLP(c.units, 0, 0, 1)
        self._initialise()
        # Returns differ by three orders of magnitude between tasks and in the course of a run; the value predicts them
        # with mean 0 and standard deviation 1.
        self.register_buffer("return_mean", torch.zeros(()))
        self.register_buffer("return_std", torch.ones(()))
        # How far training has come: rows of the replay that it has learned from, and rollouts.
        self.register_buffer("rows_learned", torch.zeros((), dtype=torch.int64))
        self.register_buffer("rollouts", torch.zeros((), dtype=torch.int64))
        self.to(device)
        self.optimisers = {"ppo": Optimiser("ppo", self.parameters(), c.learning_rate, c.gradient_clip)}

    def _initialise(self) -> None:
        """Orthogonal weights and zero biases; the policy's mean starts near 0 in all states."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                orthogonal_(module.weight, gain=2**0.5)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        orthogonal_(self.mean.output.weight, gain=0.01)
        orthogonal_(self.value.output.weight, gain=1.0)

    def experience_lost(self, rows: int) -> None:
        self.rows_learned.fill_(rows)

    def choose(self, stacks: Tensor, noise: Tensor | None) -> Tensor:
        return self._judge(beside(stacks))[0].action(noise)

    def _judge(self, stacks: Tensor) -> tuple[Policy, Tensor]:
        """The policy at stacks [B, height, width, stack·C], and their values in normalised returns [B]."""
        features = self.encoder.read(stacks)
        mean = self.mean(features)
        return TanhNormal(mean, self.log_std.exp().expand_as(mean)), self.value(features).squeeze(-1)

    def draw(self, replay: Replay, rng: np.random.Generator) -> Rollout:
        """All experience since the last update; its last state will be the first of the next rollout."""
        states = replay.rows - int(self.rows_learned)
        batch, began = replay.recent(states + self.frame_stack - 1)
        n, k = began.shape
        first = k - states  # frames before the first state
        position = np.arange(first, k)[:, None] + np.arange(1 - self.frame_stack, 1)  # T + 1, stack
        stacks = np.maximum(
            position, began[:, first:, None]
        )  # an episode's first frame is repeated before it
        cut = began[:, first + 1 :] == np.arange(first + 1, k)
        rollout = Rollout(
            batch.frames,
            torch.from_numpy(stacks.clip(0) + k * np.arange(n)[:, None, None]),
            batch.actions[:, first + 1 :],
            batch.rewards[:, first + 1 :],
            batch.terminals[:, first + 1 :],
            torch.from_numpy(cut).float(),
        )
        return on_device(rollout, self.device)

    def update(self, batch: Rollout) -> Metrics:
        """Several epochs over one rollout of N environments with T steps, in minibatches of B steps."""
        c = self.config
        # Every stack is read once an epoch, and once before.
        stacks = self._lay_out(batch)  # [N, T + 1, height, width, stack·C]
        raw = torch.atanh(batch.actions.clamp(-BOUND, BOUND))  # [N, T, A], before the tanh
        learning_rate = self._anneal()
        self.rows_learned += batch.rewards.shape[1]
        self.rollouts += 1

        # The policy that acted and the values of all states, before anything moves.
        policy, normalised = self._judge_all(stacks)
        log_prob = normal_log_prob(raw, policy.mean[:, :-1], policy.std[:, :-1]).sum(-1)  # [N, T]
        values = normalised * self.return_std + self.return_mean  # [N, T + 1]
        advantages = generalised_advantages(
            batch.rewards, batch.terminals, batch.cut, values, self.discount, c.lambda_
        )
        returns = advantages + values[:, :-1]  # [N, T]
        taken = (batch.cut == 0).flatten().nonzero().squeeze(1)  # which of the N·T were steps
        self._follow_returns(returns.flatten()[taken])
        targets = (returns - self.return_mean) / self.return_std

        flat = [x.flatten(0, 1) for x in (raw, log_prob, advantages, targets)]
        # Where they lie among the N·(T + 1) states.
        place = torch.arange(values.numel(), device=self.device).view_as(values)[:, :-1].flatten()
        seen = stacks.flatten(0, 1)
        totals: list[Tensor] = []
        for _ in range(c.epochs):
            order = taken[torch.randperm(len(taken), generator=self.update_noise, device=self.device)]
            for chosen in order.tensor_split(max(1, round(len(order) / c.minibatch))):
                raw_action, old, advantage, target = (x[chosen] for x in flat)
                with self.autocast():
                    now, value = self._judge(seen[place[chosen]])
                new = normal_log_prob(raw_action, now.mean, now.std).sum(-1)  # [B]
                ratio = (new - old).exp()
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-6)
                objective = clipped_objective(ratio, advantage, c.clip)
                value_loss = 0.5 * (value - target).square().mean()
                entropy = normal_entropy(self.log_std)
                loss = c.value_weight * value_loss - objective - c.entropy_weight * entropy
                norm = self.optimisers["ppo"].differentiate(loss)
                step_together(self.optimisers.values())
                clipped = ((ratio - 1).abs() > c.clip).float().mean()
                kl = (ratio - 1 - (new - old)).mean()  # of new from old, an estimate that is never negative
                totals.append(torch.stack([objective, value_loss, kl, clipped, norm]).detach())

        means = torch.stack(totals).mean(0)
        names = ("ppo/objective", "value/loss", "ppo/kl", "ppo/clipped", "ppo/gradient_norm")
        error = (returns - values[:, :-1]).flatten()[taken]
        return dict(zip(names, means.unbind(), strict=True)) | {
            "value/explained_variance": 1 - error.var() / returns.flatten()[taken].var().clamp(min=1e-8),
            "value/mean": values.mean(),
            "behaviour/entropy": normal_entropy(self.log_std).detach(),
            "behaviour/policy_std": self.log_std.detach().exp().mean(),
            "behaviour/saturated_actions": (batch.actions.abs() > 0.99).float().mean(),
            "ppo/learning_rate": torch.tensor(learning_rate),
        }

    def _lay_out(self, batch: Rollout) -> Tensor:
        """The stacks that all states see, uint8 [N, T + 1, height, width, stack·C]."""
        frames, (n, states, stack) = batch.frames.flatten(0, 1), batch.stacks.shape
        shape = (n, states, *frames.shape[1:3], stack * frames.shape[3])
        laid_out = torch.empty(shape, dtype=frames.dtype, device=frames.device)
        for out, chosen in zip(laid_out, batch.stacks, strict=True):
            out.copy_(beside(frames[chosen]))
        return laid_out

    def _judge_all(self, stacks: Tensor) -> tuple[Policy, Tensor]:
        """`_judge` for stacks [N, T + 1, …], by pieces and without a graph."""
        with torch.no_grad(), self.autocast():
            pieces = [self._judge(piece) for piece in stacks.flatten(0, 1).split(self.config.minibatch)]
        policies, values = zip(*pieces, strict=True)

        def whole(parts: Sequence[Tensor]) -> Tensor:
            return torch.cat(list(parts)).unflatten(0, stacks.shape[:2])

        return Policy.joined(policies, whole), whole(values)

    def _follow_returns(self, returns: Tensor) -> None:
        """Updates the running mean and standard deviation by which returns are normalised, from `returns` [B]."""
        rate = 1.0 if int(self.rollouts) == 1 else self.config.return_rate
        self.return_mean.lerp_(returns.mean(), rate)
        self.return_std.lerp_(returns.std().clamp(min=0.1), rate)

    def _anneal(self) -> float:
        """Sets the learning rate, which falls linearly from `learning_rate` to a tenth of it at `anneal_steps`."""
        c = self.config
        behind = int(self.rollouts) * c.training.train_every / c.anneal_steps
        rate = c.learning_rate * max(0.1, 1 - 0.9 * behind)
        self.optimisers["ppo"].learning_rate = rate
        return rate


if __name__ == "__main__":
    from .training.command_line import main

    sys.exit(main("ppo"))
