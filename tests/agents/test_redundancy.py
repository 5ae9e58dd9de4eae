"""Redundancy reduction: against a float64 computation in NumPy, what it asks for, and whom it reaches."""

from __future__ import annotations

import numpy as np
import torch

from agents.model.redundancy import OFF_DIAGONAL, WEIGHT, RedundancyReduction

from .tiny import make, random_batch, tiny_cvrl


def test_the_loss_is_that_of_the_correlations() -> None:
    torch.manual_seed(0)
    term = RedundancyReduction(5, 4)
    features, embeddings = torch.randn(3, 7, 5), torch.randn(3, 7, 4)
    k = term.projection(features).detach().double().numpy().reshape(21, 4)
    e = embeddings.double().numpy().reshape(21, 4)
    c = np.corrcoef(k.T, e.T)[:4, 4:]
    expected = ((1 - np.diag(c)) ** 2).sum() + OFF_DIAGONAL * ((c**2).sum() - (np.diag(c) ** 2).sum())
    found = term(features, embeddings)
    np.testing.assert_allclose(found.loss.item(), WEIGHT * expected, rtol=1e-4)
    np.testing.assert_allclose(found.agreement.item(), np.diag(c).mean(), rtol=1e-3, atol=1e-5)


def test_states_that_say_each_dimension_of_their_embedding_lose_nothing_but_what_embeddings_repeat() -> None:
    term = RedundancyReduction(4, 4)
    with torch.no_grad():
        term.projection.weight.copy_(3 * torch.eye(4))
    told = torch.randn(50, 40, 4)
    assert term(told, 2 * told + 1).loss < 1e-4
    assert term(torch.randn(50, 40, 4), told).loss > 3 * WEIGHT
    constant = torch.zeros(2, 3, 4)
    assert torch.isfinite(term(told[:2, :3], constant).loss)


def test_embeddings_are_targets_and_the_encoder_learns_through_the_posterior() -> None:
    term = RedundancyReduction(5, 4)
    features, embeddings = torch.randn(3, 7, 5, requires_grad=True), torch.randn(3, 7, 4, requires_grad=True)
    term(features, embeddings).loss.backward()
    assert features.grad is not None
    assert embeddings.grad is None

    agent = make(tiny_cvrl(observation="redundancy-reduction"))
    assert agent.world_model.contrastive is None
    before = [p.clone() for p in agent.world_model.encoder.parameters()]
    metrics = agent.update(random_batch())
    assert torch.isfinite(metrics["model/redundancy"])
    assert any(
        not torch.equal(a, b) for a, b in zip(before, agent.world_model.encoder.parameters(), strict=True)
    )


def test_it_is_off_by_default_and_an_ablation_of_the_observations_comes_first() -> None:
    assert make(tiny_cvrl()).world_model.redundancy is None
    both = make(tiny_cvrl(observation="redundancy-reduction", ablation="reward-only")).world_model
    assert both.redundancy is None
    assert both.contrastive is None
