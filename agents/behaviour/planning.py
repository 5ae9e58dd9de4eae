"""Latent-guided model predictive control: section 3.3, appendix A.3.

Letters of shapes: see networks.py. N is the number of environments.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..model.distributions import Generators, standard_normal
from ..model.networks import MLP
from ..model.rssm import Latent
from ..model.world_model import WorldModel
from ..training.config import BehaviourConfig, PlanningConfig
from .actor_critic import Actor, follow, lambda_returns


class Planner:
    """Gradient ascent on whole action sequences, starting from the actor's.

    For each environment: roll the actor out for H steps from the current posterior; then repeat `iterations` times
    ã'_τ = ã_τ + η·∇_{ã_τ} Ṽ_λ(s_t) for every τ, clipped to [−1, 1]; act with the first action. The noise of the
    imagined dynamics is drawn only once, so that the objective does not change during the ascent.
    """

    def __init__(
        self,
        model: WorldModel,
        actor: Actor,
        value: MLP,
        behaviour: BehaviourConfig,
        planning: PlanningConfig,
    ) -> None:
        self.model, self.actor, self.value = model, actor, value
        self.behaviour, self.planning = behaviour, planning

    def predicted_return(self, start: Latent, actions: Tensor, state_noise: Tensor) -> Tensor:
        """Ṽ_λ(s_t) of A.2 under given actions [H, N, A]: [N]."""
        features = follow(self.model, start, actions, state_noise)
        rewards = self.model.predicted_reward(features[:-1])
        values = self.value(features).squeeze(-1).float()
        return lambda_returns(rewards, values, self.behaviour.discount, self.behaviour.lambda_)[0]

    @torch.no_grad()
    def guide(self, start: Latent, state_noise: Tensor, action_noise: Tensor | None) -> Tensor:
        """The actor's sequence from `start`, sampled with `action_noise`, or the modes without it: [H, N, A]."""
        latent, actions = start, []
        for step, noise in enumerate(state_noise):
            policy = self.actor(latent.features)
            action = policy.mode() if action_noise is None else policy.sample(action_noise[step])[0]
            latent = self.model.rssm.imagine_step(latent, action, noise)
            actions.append(action)
        return torch.stack(actions)

    def improve(self, start: Latent, actions: Tensor, state_noise: Tensor) -> Tensor:
        """The sequences after `iterations` steps of gradient ascent: [H, N, A] → [H, N, A]."""
        for _ in range(self.planning.iterations):
            with torch.enable_grad():
                actions = actions.detach().requires_grad_()
                returns = self.predicted_return(start, actions, state_noise)
                objective = returns[0] if self.planning.first_environment_only else returns.sum()
                (gradient,) = torch.autograd.grad(objective, [actions])
            if self.planning.first_action_only:
                gradient = torch.cat([gradient[:1], torch.zeros_like(gradient[1:])])
            actions = actions.detach() + self.planning.learning_rate * gradient
            if self.planning.clip:
                actions = actions.clamp(-1, 1)
        return actions

    def __call__(self, start: Latent, generators: Generators, sampled: bool) -> Tensor:
        """The planned action of each environment: start [N, ·] → [N, A]."""
        n, horizon = len(start.stochastic), self.behaviour.horizon
        state_noise = standard_normal(generators, n, horizon, start.stochastic.shape[-1]).transpose(0, 1)
        action_noise = None
        if sampled:
            action_noise = standard_normal(generators, n, horizon, self.actor.action_size).transpose(0, 1)
        actions = self.guide(start, state_noise, action_noise)
        return self.improve(start, actions, state_noise)[0]


def planned_in(planning: PlanningConfig | None, exploring: bool) -> bool:
    """Whether to plan when collecting (`exploring`) or evaluating."""
    if planning is None or planning.when == "never":
        return False
    return planning.when == "always" or not exploring
