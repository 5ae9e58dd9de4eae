from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import torch

from agents.behaviour.policies import TanhNormal, TruncatedNormal

MEANS = (-1.0, -0.9, 0.0, 0.3, 1.0)
STDS = (0.1, 0.5, 2.1)


def expected(mean: float, std: float) -> scipy.stats.rv_continuous:
    return scipy.stats.truncnorm((-1 - mean) / std, (1 - mean) / std, loc=mean, scale=std)


@pytest.mark.parametrize("std", STDS)
@pytest.mark.parametrize("mean", MEANS)
def test_a_truncated_normal_draws_and_weighs_actions_as_scipy_does(mean: float, std: float) -> None:
    policy = TruncatedNormal(torch.tensor([mean]), torch.tensor([std]))
    quantiles = np.linspace(0.001, 0.999, 201)
    noise = torch.tensor(scipy.stats.norm.ppf(quantiles), dtype=torch.float32)[:, None]
    actions, log_prob = policy.sample(noise)
    np.testing.assert_allclose(actions[:, 0], expected(mean, std).ppf(quantiles), atol=2e-4)
    np.testing.assert_allclose(log_prob, expected(mean, std).logpdf(actions[:, 0].double()), atol=1e-3)


def test_log_densities_of_the_dimensions_add_and_the_mode_is_the_mean() -> None:
    policy = TruncatedNormal(torch.tensor([[0.2, -0.7]]), torch.tensor([[0.3, 1.0]]))
    action = torch.tensor([[0.1, 0.9]])
    by_hand = expected(0.2, 0.3).logpdf(0.1) + expected(-0.7, 1.0).logpdf(0.9)
    assert policy.log_prob(action).item() == pytest.approx(by_hand, abs=1e-5)
    assert policy.mode() is policy.mean is policy.action(None)


def test_at_its_bound_a_truncated_normal_still_moves_with_its_mean_where_tanh_does_not() -> None:
    noise = torch.tensor(scipy.stats.norm.ppf(np.linspace(0.01, 0.99, 99)), dtype=torch.float32)[:, None]
    slopes = []
    for policy, bound in ((TruncatedNormal, 1.0), (TanhNormal, 5.0)):
        mean = torch.full((1,), bound, requires_grad=True)
        (slope,) = torch.autograd.grad(policy(mean, torch.full((1,), 0.3)).draw(noise)[0].mean(), [mean])
        slopes.append(slope.item())
    assert slopes[0] > 0.3
    assert slopes[1] < 1e-3


@pytest.mark.parametrize("mean", MEANS)
def test_gradients_are_finite_for_any_noise(mean: float) -> None:
    parameters = [torch.full((1,), mean, requires_grad=True), torch.full((1,), 0.1, requires_grad=True)]
    action, log_prob = TruncatedNormal(*parameters).sample(torch.linspace(-9, 9, 101)[:, None])
    assert ((action >= -1) & (action <= 1)).all()
    for gradient in torch.autograd.grad(action.sum() + log_prob.sum(), parameters):
        assert gradient.isfinite().all()
