from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from agents.behaviour.actor_critic import (
    ReturnRange,
    actor_loss,
    discounts,
    imagine,
    lambda_returns,
    value_loss,
)
from agents.model.distributions import normal_log_prob
from agents.model.rssm import Latent

from .tiny import BEHAVIOUR, A, make, random_batch, tiny_cvrl, tiny_dreamer


def returns_of_the_paper(rewards: np.ndarray, values: np.ndarray, gamma: float, lambda_: float) -> np.ndarray:
    """Appendix A.2 word for word, for one trajectory: V_N^k, then its weighted mean."""
    horizon = len(rewards)

    def k_step(tau: int, k: int) -> float:
        h = min(tau + k, horizon)
        return sum(gamma ** (n - tau) * rewards[n] for n in range(tau, h)) + gamma ** (h - tau) * values[h]

    return np.array(
        [
            (1 - lambda_) * sum(lambda_ ** (n - 1) * k_step(tau, n) for n in range(1, horizon))
            + lambda_ ** (horizon - 1) * k_step(tau, horizon)
            for tau in range(horizon)
        ]
    )


def test_lambda_returns_equal_the_papers_sum() -> None:
    rng = np.random.default_rng(0)
    rewards, values = rng.normal(size=(15, 4)), rng.normal(size=(16, 4))
    result = lambda_returns(torch.from_numpy(rewards), torch.from_numpy(values), 0.99, 0.95).numpy()
    for i in range(4):
        np.testing.assert_allclose(
            result[:, i], returns_of_the_paper(rewards[:, i], values[:, i], 0.99, 0.95)
        )


def test_lambda_returns_by_hand() -> None:
    rewards, values = torch.tensor([[1.0], [2.0]]), torch.tensor([[10.0], [20.0], [30.0]])
    # λ = ½, γ = ½: V_1 = 2 + ½·30 = 17; V_0 = 1 + ½(½·20 + ½·17) = 10.25.
    torch.testing.assert_close(lambda_returns(rewards, values, 0.5, 0.5), torch.tensor([[10.25], [17.0]]))


@pytest.mark.parametrize(
    ("lambda_", "expected"), [(0.0, 1 + 0.9 * 7), (1.0, 1 + 0.9 * 2 + 0.81 * 3 + 0.729 * 9)]
)
def test_lambda_returns_at_their_ends(lambda_: float, expected: float) -> None:
    rewards, values = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[5.0], [7.0], [8.0], [9.0]])
    assert lambda_returns(rewards, values, 0.9, lambda_)[0, 0].item() == pytest.approx(expected)


def test_one_value_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="3 rewards need 4 values"):
        lambda_returns(torch.zeros(3, 1), torch.zeros(3, 1), 0.9, 0.9)


def test_losses_by_hand() -> None:
    returns, values = (
        torch.tensor([[1.0], [3.0]], requires_grad=True),
        torch.tensor([[0.0], [1.0]], requires_grad=True),
    )
    plain, weighted = discounts(returns, 0.5, False), discounts(returns, 0.5, True)
    assert plain.flatten().tolist() == [1, 1]
    assert weighted.flatten().tolist() == [1, 0.5]
    assert actor_loss(returns, plain).item() == -2
    assert actor_loss(returns, weighted).item() == -1.25
    loss = value_loss(values, returns, plain)
    assert loss.item() == pytest.approx((0.5 * 1 + 0.5 * 4) / 2)
    assert torch.autograd.grad(loss, [returns], allow_unused=True, retain_graph=True) == (None,)
    (gradient,) = torch.autograd.grad(loss, [values])
    torch.testing.assert_close(gradient, torch.tensor([[-0.5], [-1.0]]))


def start(n: int) -> Latent:
    g = torch.Generator().manual_seed(3)
    s, h = torch.randn(n, 4, generator=g), torch.randn(n, 12, generator=g)
    return Latent(s, torch.ones_like(s), s, h)


def test_imagination_equals_a_plain_loop_with_the_same_noise() -> None:
    agent = make(tiny_dreamer())
    g = torch.Generator().manual_seed(4)
    horizon, n = 5, 7
    action_noise, state_noise = (
        torch.randn(horizon, n, A, generator=g),
        torch.randn(horizon, n, 4, generator=g),
    )
    imagined = imagine(agent.world_model, agent.actor, start(n), action_noise, state_noise)
    rssm = agent.world_model.rssm
    for i in range(n):  # one state and one step at a time, from the modules' parts
        latent = start(n)
        s, h = latent.stochastic[i], latent.deterministic[i]
        torch.testing.assert_close(imagined.features[0, i], torch.cat([s, h]))
        for t in range(horizon):
            raw_mean, raw_std = agent.actor.network(torch.cat([s, h])).chunk(2)
            std = torch.log1p(torch.exp(raw_std + np.log(np.expm1(1.0)))) + 1e-4
            action = torch.tanh(5 * torch.tanh(raw_mean / 5) + std * action_noise[t, i])
            h = rssm.cell(torch.nn.functional.elu(rssm.input(torch.cat([s, action])))[None], h[None])[0]
            mean, std = rssm.prior_of(h)
            s = mean + std * state_noise[t, i]
            torch.testing.assert_close(imagined.actions[t, i], action, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(imagined.features[t + 1, i], torch.cat([s, h]), rtol=1e-4, atol=1e-5)


def test_gradients_flow_from_a_late_reward_to_early_actions() -> None:
    agent = make(tiny_dreamer())
    g = torch.Generator().manual_seed(4)
    imagined = imagine(
        agent.world_model,
        agent.actor,
        start(3),
        torch.randn(5, 3, A, generator=g),
        torch.randn(5, 3, 4, generator=g),
    )
    last = agent.world_model.predicted_reward(imagined.features[-1]).sum()
    (gradient,) = torch.autograd.grad(last, [agent.actor.network.output.weight])
    assert gradient.abs().max() > 0


def test_entropy_of_the_imagined_policy_is_that_of_its_samples() -> None:
    agent = make(tiny_dreamer())
    g = torch.Generator().manual_seed(4)
    imagined = imagine(
        agent.world_model,
        agent.actor,
        start(400),
        torch.randn(2, 400, A, generator=g),
        torch.randn(2, 400, 4, generator=g),
    )
    density = normal_log_prob(imagined.raw, imagined.policy.mean, imagined.policy.std)
    by_hand = -(density - torch.log(1 - imagined.actions**2)).sum(-1).mean()
    assert imagined.entropy().item() == pytest.approx(by_hand.item(), abs=1e-3)


def test_the_untrained_policy_of_the_paper_acts_at_the_ends() -> None:
    torch.manual_seed(0)
    agent = make(tiny_dreamer(behaviour=tiny_dreamer().behaviour.__class__(actor_units=16, value_units=16)))
    policy = agent.actor(torch.zeros(1, 16))
    assert policy.std.mean().item() == pytest.approx(5.0, abs=0.3)
    action, _ = policy.sample(torch.randn(1000, A))
    assert (action.abs() > 0.9).float().mean() > 0.6


def test_the_return_range_follows_the_percentiles_and_is_at_least_one() -> None:
    unit = ReturnRange(rate=0.5)
    assert unit.follow(torch.linspace(0, 100, 1001)).item() == pytest.approx(90)
    assert unit.follow(torch.linspace(0, 200, 1001)).item() == pytest.approx(135)
    assert ReturnRange().follow(torch.linspace(0, 1e-3, 50)).item() == 1


@pytest.mark.parametrize("config", [tiny_cvrl, tiny_dreamer])
def test_with_normalised_returns_the_actor_learns_the_same_whatever_the_scale_of_rewards(config: Any) -> None:
    """A thousand times the reward is a thousand times value, Q and range: the actor's gradient stays."""
    gradients = []
    for scale in (100.0, 1e5):
        agent = make(config(behaviour=replace(BEHAVIOUR, normalise_returns=True, entropy_weight=0.1)))
        with torch.no_grad():
            heads = [agent.world_model.reward, agent.value]
            if config is tiny_cvrl:
                heads += [*agent.critic.q.networks, *agent.critic.target_q.networks]
            for head in heads:
                head.output.weight.mul_(scale)
                head.output.bias.mul_(scale)
        kept: list[torch.Tensor] = []
        optimiser = agent.optimisers["actor"]
        optimiser.clip = 0.0
        optimiser.step = lambda _, o=optimiser, k=kept: k.extend(g.flatten().clone() for g in o._gradients)
        agent.update(random_batch())
        gradients.append(torch.cat(kept))
    torch.testing.assert_close(*gradients, rtol=1e-2, atol=1e-3)
