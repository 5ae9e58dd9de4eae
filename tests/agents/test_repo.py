"""RePo: the bound on what the latent takes from observations, and the multiplier that holds it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from agents.model.rssm import Latent, kl_loss
from agents.repo import Multiplier
from agents.training.command_line import check_config
from agents.training.config import BottleneckConfig, EnvironmentConfig, RePoConfig
from natural_mujoco import InvalidArgument

from .tiny import make, random_batch, tiny_repo


def test_a_divided_kl_is_the_kl_and_divides_its_gradient() -> None:
    g = torch.Generator().manual_seed(0)
    numbers = [(torch.rand(4, 3, generator=g) + 0.5).requires_grad_() for _ in range(4)]
    mean_q, std_q, mean_p, std_p = numbers
    posterior, prior = Latent(mean_q, std_q, mean_q, mean_q), Latent(mean_p, std_p, mean_p, mean_p)
    q, p = torch.distributions.Normal(mean_q, std_q), torch.distributions.Normal(mean_p, std_p)
    expected = torch.distributions.kl_divergence(q, p).sum(-1).mean()
    loss, kl = kl_loss(posterior, prior, 0.0, 5 / 6)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(kl, expected.detach())
    whole = torch.autograd.grad(expected, numbers)
    divided = torch.autograd.grad(loss, numbers)
    for share, a, b in zip((1 / 6, 1 / 6, 5 / 6, 5 / 6), whole, divided, strict=True):
        torch.testing.assert_close(b, share * a)


def test_the_multiplier_rises_above_the_target_and_falls_below_it() -> None:
    multiplier = Multiplier(2.0)
    assert multiplier().item() == pytest.approx(2)
    for kl, sign in ((5.0, 1), (1.0, -1)):
        (gradient,) = torch.autograd.grad(multiplier.dual_loss(torch.tensor(kl), 3.0), [multiplier.log])
        assert -gradient.item() == pytest.approx(sign * 2.0)


@pytest.mark.parametrize("target", [0.5, 5.0])
def test_training_brings_the_kl_to_its_target_from_either_side(target: float) -> None:
    start = tiny_repo()
    bottleneck = replace(start.bottleneck, target=target, learning_rate=5e-2)
    model = replace(start.model, learning_rate=3e-3, reward_weight=30.0)
    agent: Any = make(replace(start, bottleneck=bottleneck, model=model))
    kls = [agent.warm_up(random_batch(i % 3))["model/kl"].item() for i in range(300)]
    assert sum(kls[-50:]) / 50 == pytest.approx(target, rel=0.3)
    # Three batches learned by heart want some three nats: less takes a large multiplier, more a small one.
    assert agent.multiplier().item() > 10 if target == 0.5 else agent.multiplier().item() < 0.1


def test_an_update_moves_the_multiplier_by_its_rate_and_the_model_by_the_multiplier_before() -> None:
    agents: list[Any] = [make(tiny_repo()) for _ in range(2)]
    metrics = agents[0].update(random_batch())
    kl, target = metrics["model/kl"].item(), agents[0].bottleneck.target
    step = agents[0].bottleneck.learning_rate * (1 if kl > target else -1)  # Adam's first step is its rate
    assert agents[0].multiplier.log.item() == pytest.approx(step, rel=1e-3)
    assert metrics["model/multiplier"].item() == pytest.approx(agents[0].multiplier().item())

    loss = agents[1].model_loss(random_batch()).metrics
    assert loss["model/loss"].item() == pytest.approx(
        (loss["model/kl"] - loss["model/reward_log_prob"]).item(), rel=1e-5
    )
    agents[1].multiplier.log.data.fill_(torch.tensor(3.0).log())
    again = agents[1].model_loss(random_batch()).metrics  # other noise, the same multiplier of the KL
    assert again["model/loss"].item() == pytest.approx(
        (3 * again["model/kl"] - again["model/reward_log_prob"]).item(), rel=1e-5
    )


def test_nothing_is_reconstructed_and_any_size_of_frame_will_do() -> None:
    agent: Any = make(tiny_repo())
    assert agent.world_model.decoder is None
    assert agent.world_model.contrastive is None
    assert check_config(tiny_repo(environment=EnvironmentConfig(size=84))).environment.size == 84


@pytest.mark.parametrize(
    "changes",
    [
        {"target": -0.1},
        {"initial_multiplier": 0.0},
        {"learning_rate": float("nan")},
        {"prior_share": 1.5},
    ],
)
def test_a_bound_that_means_nothing_is_refused_by_the_name_of_its_flag(changes: dict[str, float]) -> None:
    config = RePoConfig(bottleneck=replace(BottleneckConfig(), **changes))
    with pytest.raises(InvalidArgument, match=f"bottleneck.{next(iter(changes)).replace('_', '[-_]')}"):
        check_config(config)
