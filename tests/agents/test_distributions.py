from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import (
    AffineTransform,
    Independent,
    Normal,
    TanhTransform,
    TransformedDistribution,
    kl_divergence,
)

from agents.model.distributions import normal_kl, normal_log_prob, tanh_normal_log_prob, tanh_normal_sample


def test_kl_is_the_closed_form() -> None:
    g = torch.Generator().manual_seed(0)
    mean_q, mean_p = torch.randn(2, 5, 7, generator=g, dtype=torch.float64)
    std_q, std_p = torch.rand(2, 5, 7, generator=g, dtype=torch.float64) + 0.1
    expected = kl_divergence(Independent(Normal(mean_q, std_q), 1), Independent(Normal(mean_p, std_p), 1))
    torch.testing.assert_close(normal_kl(mean_q, std_q, mean_p, std_p), expected)


def test_kl_of_known_gaussians_by_hand() -> None:
    # KL[N(1, 2²) ‖ N(0, 1)] = (4 + 1 − 1)/2 − log 2, and two independent ones add.
    one = 2 - math.log(2)
    kl = normal_kl(torch.ones(2), torch.full((2,), 2.0), torch.zeros(2), torch.ones(2))
    assert kl.item() == pytest.approx(2 * one, rel=1e-6)
    assert normal_kl(torch.ones(3), torch.ones(3), torch.ones(3), torch.ones(3)).item() == 0


def test_log_prob_with_and_without_a_tensor_for_std() -> None:
    x = torch.linspace(-3, 3, 7)
    expected = Normal(0.5, 2.0).log_prob(x)
    torch.testing.assert_close(normal_log_prob(x, torch.tensor(0.5), 2.0), expected)
    torch.testing.assert_close(normal_log_prob(x, torch.tensor(0.5), torch.tensor(2.0)), expected)


def test_tanh_log_prob_is_that_of_the_transformed_distribution() -> None:
    g = torch.Generator().manual_seed(1)
    mean, noise = torch.randn(2, 50, 3, generator=g, dtype=torch.float64)
    std = torch.rand(50, 3, generator=g, dtype=torch.float64) + 0.1
    action, raw = tanh_normal_sample(mean, std, noise)
    squashed = TransformedDistribution(
        Normal(mean, std), [AffineTransform(0, 1), TanhTransform(cache_size=1)]
    )
    expected = squashed.log_prob(action).sum(-1)
    inside = (action.abs() < 0.999).all(-1)
    assert inside.sum() > 20
    torch.testing.assert_close(
        tanh_normal_log_prob(raw, mean, std)[inside], expected[inside], rtol=1e-6, atol=1e-6
    )


def test_tanh_log_prob_stays_finite_where_the_action_rounds_to_one() -> None:
    raw = torch.full((1, 2), 30.0, requires_grad=True)
    log_prob = tanh_normal_log_prob(raw, torch.zeros(1, 2), torch.full((1, 2), 5.0))
    (gradient,) = torch.autograd.grad(log_prob.sum(), [raw])
    assert torch.tanh(raw).eq(1).all()
    assert log_prob.isfinite().all()
    assert gradient.isfinite().all()
    # log N(30; 0, 5) − log(1 − tanh²30), by hand: 1 − tanh²u → 4e^{−2u}.
    by_hand = 2 * (-0.5 * 36 - math.log(5) - 0.5 * math.log(2 * math.pi) - (math.log(4) - 60))
    assert log_prob.item() == pytest.approx(by_hand, rel=1e-5)


def test_tanh_density_integrates_to_one() -> None:
    actions = torch.linspace(-1, 1, 200_001, dtype=torch.float64)[1:-1]
    raw = torch.atanh(actions)[:, None]
    density = tanh_normal_log_prob(raw, torch.tensor([0.3]), torch.tensor([0.7])).exp()
    assert torch.trapezoid(density, actions).item() == pytest.approx(1, abs=1e-3)
