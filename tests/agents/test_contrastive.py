from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from agents.model.contrastive import Contrastive, info_nce


def info_nce_in_numpy(scores: np.ndarray) -> float:
    """Eq. 5 as it is written: the mean of log f(s, o) − log Σ f(s, o'), negated, in float64."""
    f = np.exp(scores - scores.max(1, keepdims=True))
    return float(-np.mean(np.log(np.diag(f)) - np.log(f.sum(1))))


def test_uninformative_features_give_log_n() -> None:
    contrast = info_nce(torch.zeros(12, 12), length=4)
    assert contrast.loss.item() == pytest.approx(math.log(12), rel=1e-6)


def test_identity_goes_to_zero() -> None:
    contrast = info_nce(50 * torch.eye(12), length=4)
    assert contrast.loss.item() == pytest.approx(0, abs=1e-6)
    assert contrast.accuracy == contrast.accuracy_within == contrast.accuracy_across == 1


def test_equals_numpy_in_float64() -> None:
    scores = np.random.default_rng(0).normal(0, 3, (20, 20))
    assert info_nce(torch.from_numpy(scores), length=5).loss.item() == pytest.approx(
        info_nce_in_numpy(scores), rel=1e-5
    )


def test_a_state_competes_over_observations_and_not_the_other_way_round() -> None:
    scores = torch.zeros(4, 4)
    scores[:, 0] = 100.0  # one observation that every state prefers
    assert info_nce(scores, length=2).loss.item() == pytest.approx(75.0)
    assert info_nce(scores.T, length=2).loss.item() == pytest.approx(math.log(4))


def test_the_three_accuracies_by_hand() -> None:
    # Two sequences of two steps; rows are states.
    scores = torch.tensor(
        [
            [0.0, 2.0, 1.0, 1.0],  # wrong frame, own sequence
            [0.0, 3.0, 1.0, 1.0],  # right
            [9.0, 0.0, 5.0, 1.0],  # right within its sequence, but another sequence scores higher
            [9.0, 0.0, 5.0, 1.0],  # wrong in every way
        ]
    )
    contrast = info_nce(scores, length=2)
    assert contrast.accuracy.item() == pytest.approx(1 / 4)
    assert contrast.accuracy_within.item() == pytest.approx(2 / 4)
    assert contrast.accuracy_across.item() == pytest.approx(2 / 4)


def test_naming_the_clip_shows_across_but_not_within() -> None:
    sequence = torch.arange(12) // 4
    contrast = info_nce(10.0 * (sequence[:, None] == sequence), length=4)
    assert contrast.accuracy_across == 1
    assert contrast.accuracy_within.item() == pytest.approx(1 / 4)
    assert contrast.loss.item() == pytest.approx(math.log(4), abs=1e-3)


def test_scores_are_bilinear_in_the_embeddings() -> None:
    torch.manual_seed(0)
    model = Contrastive(6, 9, state_units=(5,), observation_units=(7,)).double()
    features, embeddings = torch.randn(4, 6, dtype=torch.float64), torch.randn(4, 9, dtype=torch.float64)
    layer_s, layer_z = model.state_branch.layers[0], model.observation_branch.layers[0]
    assert model.weight is not None
    assert model.weight.shape == (7, 5)
    weight = model.weight.detach().numpy()
    s = features.numpy() @ layer_s.weight.detach().numpy().T + layer_s.bias.detach().numpy()
    z = embeddings.numpy() @ layer_z.weight.detach().numpy().T + layer_z.bias.detach().numpy()
    expected = np.array([[z[j] @ weight @ s[i] for j in range(4)] for i in range(4)])
    np.testing.assert_allclose(model.scores(features, embeddings).detach().numpy(), expected, rtol=1e-10)


def test_autocast_leaves_the_gradient_of_frames_that_hardly_differ_as_it_is() -> None:
    torch.manual_seed(0)
    model = Contrastive(16, 32)
    features = 1 + 0.01 * torch.randn(16, 24, 16)
    embeddings = 1 + 0.01 * torch.randn(16, 24, 32)
    gradients = []
    for enabled in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            loss = model(features, embeddings).loss
        gradients.append(torch.autograd.grad(loss, model.weight)[0])
    assert (gradients[1] - gradients[0]).norm() < 1e-3 * gradients[0].norm()


def test_without_w_it_is_the_dot_product_of_activated_branches() -> None:
    torch.manual_seed(0)
    model = Contrastive(6, 9, (5, 4), (8, 4), bilinear=False, activate_last=True)
    assert model.weight is None
    features, embeddings = torch.randn(3, 6), torch.randn(3, 9)
    s, z = model.state_branch(features), model.observation_branch(embeddings)
    assert s.min() >= -1  # ELU after the last layer
    torch.testing.assert_close(model.scores(features, embeddings), s @ z.T)


def test_it_learns_to_match_noisy_views() -> None:
    torch.manual_seed(0)
    model = Contrastive(8, 12)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    mix = torch.randn(8, 12)
    losses = []
    for _ in range(60):
        features = torch.randn(4, 8, 8)
        contrast = model(features, features @ mix + 0.05 * torch.randn(4, 8, 12))
        optimiser.zero_grad()
        contrast.loss.backward()
        optimiser.step()
        losses.append(contrast.loss.item())
    assert losses[0] > 2.5
    assert np.median(losses[-20:]) < 0.8


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="T = 5"):
        info_nce(torch.zeros(12, 12), length=5)
    with pytest.raises(ValueError, match="same size"):
        Contrastive(4, 4, (3,), (5,), bilinear=False)
