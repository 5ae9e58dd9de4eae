from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from agents.model.rssm import RSSM, Latent, kl_loss

A, B, D, E, S, T = 2, 3, 7, 9, 4, 6


@pytest.fixture
def rssm() -> RSSM:
    torch.manual_seed(0)
    return RSSM(A, E, deterministic=D, stochastic=S, hidden=8)


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    return tuple(torch.randn(B, T, n, generator=g) for n in (E, A, S))  # type: ignore[return-value]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def linear(layer: torch.nn.Linear, x: np.ndarray) -> np.ndarray:
    return x @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()


def elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(x))


def test_one_step_equals_the_equations_in_numpy(rssm: RSSM) -> None:
    embeddings, actions, noise = inputs()
    g = torch.Generator().manual_seed(2)
    s, h = (
        torch.randn(B, S, generator=g),
        torch.randn(B, D, generator=g),
    )
    posterior, prior = rssm.observe_step(Latent(s, s, s, h), actions[:, 0], embeddings[:, 0], noise[:, 0])

    x = elu(linear(rssm.input, np.concatenate([s.numpy(), actions[:, 0].numpy()], 1)))
    cell = rssm.cell
    w_i, w_h = cell.weight_ih.detach().numpy(), cell.weight_hh.detach().numpy()
    i = (x @ w_i.T + cell.bias_ih.detach().numpy()).reshape(B, 3, D)
    j = (h.numpy() @ w_h.T + cell.bias_hh.detach().numpy()).reshape(B, 3, D)
    reset, update = sigmoid(i[:, 0] + j[:, 0]), sigmoid(i[:, 1] + j[:, 1])
    new = np.tanh(i[:, 2] + reset * j[:, 2])
    h_next = (1 - update) * new + update * h.numpy()
    np.testing.assert_allclose(prior.deterministic.detach().numpy(), h_next, rtol=1e-5, atol=1e-6)

    stats = linear(rssm.prior_statistics, elu(linear(rssm.prior_hidden, h_next)))
    np.testing.assert_allclose(prior.mean.detach().numpy(), stats[:, :S], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(prior.std.detach().numpy(), np.log1p(np.exp(stats[:, S:])) + 0.1, rtol=1e-5)

    joint = np.concatenate([h_next, embeddings[:, 0].numpy()], 1)
    stats = linear(rssm.posterior_statistics, elu(linear(rssm.posterior_hidden, joint)))
    sample = stats[:, :S] + (np.log1p(np.exp(stats[:, S:])) + 0.1) * noise[:, 0].numpy()
    np.testing.assert_allclose(posterior.stochastic.detach().numpy(), sample, rtol=1e-5, atol=1e-5)


def test_the_hoisted_path_equals_the_plain_one(rssm: RSSM) -> None:
    embeddings, actions, noise = inputs()
    embeddings.requires_grad_()
    results = []
    for observe in (rssm.observe, rssm.observe_plain):
        posterior, prior = observe(embeddings, actions, noise, rssm.initial(B))
        loss = posterior.features.pow(2).sum() + prior.mean.pow(3).sum() + prior.std.sum()
        gradients = torch.autograd.grad(loss, [embeddings, *rssm.parameters()])
        results.append((*posterior, *prior, *gradients))
    for fast, plain in zip(*results, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-5, atol=1e-5)


def test_a_posterior_depends_on_the_past_alone(rssm: RSSM) -> None:
    embeddings, actions, noise = inputs()
    changed = embeddings.clone()
    changed[:, 3] += 1
    before, _ = rssm.observe(embeddings, actions, noise, rssm.initial(B))
    after, _ = rssm.observe(changed, actions, noise, rssm.initial(B))
    differs = (before.features != after.features).any(-1).any(0)
    assert differs.tolist() == [False, False, False, True, True, True]


def test_the_prior_of_a_step_does_not_see_its_observation(rssm: RSSM) -> None:
    embeddings, actions, noise = inputs()
    changed = embeddings.clone()
    changed[:, 3] += 1
    _, before = rssm.observe(embeddings, actions, noise, rssm.initial(B))
    _, after = rssm.observe(changed, actions, noise, rssm.initial(B))
    differs = (before.mean != after.mean).any(-1).any(0)
    assert differs.tolist() == [False, False, False, False, True, True]


def test_actions_enter_with_the_observation_they_led_to(rssm: RSSM) -> None:
    embeddings, actions, noise = inputs()
    changed = actions.clone()
    changed[:, 2] += 1
    before, _ = rssm.observe(embeddings, actions, noise, rssm.initial(B))
    after, _ = rssm.observe(embeddings, changed, noise, rssm.initial(B))
    differs = (before.deterministic != after.deterministic).any(-1).any(0)
    assert differs.tolist() == [False, False, True, True, True, True]


def latents(mean: float) -> tuple[Latent, Latent]:
    q = torch.full((2, 3, S), mean, requires_grad=True)
    zero, one, h = torch.zeros(2, 3, S), torch.ones(2, 3, S), torch.zeros(2, 3, D)
    return Latent(q, one, q, h), Latent(zero, one, zero, h)


def test_free_nats_hold_the_mean_kl_from_below_and_then_stop_its_gradient() -> None:
    # KL of unit Gaussians 1 apart in each of S = 4 dimensions is 4/2 = 2 nats.
    posterior, prior = latents(1.0)
    loss, kl = kl_loss(posterior, prior, free_nats=3.0)
    assert kl.item() == pytest.approx(2.0)
    assert loss.item() == 3.0
    (gradient,) = torch.autograd.grad(loss, [posterior.mean])
    assert gradient.abs().max() == 0


def test_above_the_free_nats_the_kl_counts_in_full() -> None:
    posterior, prior = latents(2.0)
    loss, kl = kl_loss(posterior, prior, free_nats=3.0)
    assert loss.item() == kl.item() == pytest.approx(8.0)
    (gradient,) = torch.autograd.grad(loss, [posterior.mean])
    torch.testing.assert_close(gradient, torch.full((2, 3, S), 2.0 / 6))


@pytest.mark.parametrize(("distance", "posterior_moves"), [(1.0, False), (2.0, True)])
def test_with_a_prior_share_the_prior_follows_below_the_free_nats_too(
    distance: float, posterior_moves: bool
) -> None:
    posterior, prior = latents(distance)
    prior = prior._replace(mean=prior.mean.clone().requires_grad_())
    loss, kl = kl_loss(posterior, prior, free_nats=3.0, prior_share=0.75)
    true = 2 * distance**2
    assert kl.item() == pytest.approx(true)
    assert loss.item() == pytest.approx(0.75 * true + 0.25 * max(true, 3.0))
    to_posterior, to_prior = torch.autograd.grad(loss, [posterior.mean, prior.mean])
    # The KL's own gradient is distance ÷ the 6 states.
    expected = torch.full((2, 3, S), distance / 6)
    torch.testing.assert_close(to_prior, -0.75 * expected)
    torch.testing.assert_close(to_posterior, 0.25 * expected * posterior_moves)


def test_free_nats_apply_to_the_mean_over_the_batch_not_to_each_state() -> None:
    mean = torch.zeros(1, 2, S)
    mean[0, 0] = 2.0  # one state of 8 nats, one of 0: 4 on average, above 3 free nats
    one, h = torch.ones(1, 2, S), torch.zeros(1, 2, D)
    loss, _ = kl_loss(Latent(mean, one, mean, h), Latent(torch.zeros(1, 2, S), one, mean, h), free_nats=3.0)
    assert loss.item() == pytest.approx(4.0)


def test_std_is_softplus_plus_a_tenth(rssm: RSSM) -> None:
    raw = torch.tensor([[0.0] * S + [-50.0] * S])
    _, std = rssm._gaussian(raw)
    torch.testing.assert_close(std, torch.full((1, S), 0.1), rtol=1e-5, atol=1e-5)
    _, std = rssm._gaussian(torch.zeros(1, 2 * S))
    assert std[0, 0].item() == pytest.approx(F.softplus(torch.tensor(0.0)).item() + 0.1)
