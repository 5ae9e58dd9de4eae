"""What the presets promise: the paper's numbers, the released code's quirks, the ablations."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
import torch

from agents.cvrl import CVRL
from agents.dreamer import Dreamer
from agents.table import preset_config
from agents.training.config import CVRLConfig, DreamerConfig, EnvironmentConfig
from natural_mujoco import InvalidArgument

from .tiny import CPU, make, tiny_cvrl, tiny_dreamer, tiny_drqv2, tiny_ppo, tiny_repo, tiny_sac

TINY = {
    "cvrl": tiny_cvrl,
    "dreamer": tiny_dreamer,
    "repo": tiny_repo,
    "sac": tiny_sac,
    "ppo": tiny_ppo,
    "drqv2": tiny_drqv2,
}


@pytest.fixture(scope="module")
def paper() -> CVRL:
    return CVRL(cast(CVRLConfig, preset_config("cvrl", "paper")), 6, CPU)


def test_the_papers_sizes(paper: CVRL) -> None:
    """Appendix B."""
    rssm, encoder = paper.world_model.rssm, paper.world_model.encoder
    assert (rssm.deterministic_size, rssm.stochastic_size) == (200, 30)
    assert isinstance(rssm.cell, torch.nn.GRUCell)
    assert encoder.size == 1024
    assert paper.world_model.contrastive is not None
    assert paper.world_model.contrastive.weight is not None
    assert paper.world_model.contrastive.weight.shape == (200, 200)
    assert [layer.out_features for layer in paper.actor.network.hidden] == [400] * 4
    assert paper.actor.network.hidden[0].in_features == 230
    assert [layer.out_features for layer in paper.value.hidden] == [400] * 3
    assert paper.critic is not None
    assert [q.hidden[0].in_features for q in paper.critic.q.networks] == [236, 236]


def test_the_papers_numbers(paper: CVRL) -> None:
    c = cast(CVRLConfig, paper.config)
    assert (c.training.batch_size, c.training.batch_length, c.training.prefill) == (50, 50, 5000)
    assert (c.training.updates_per_1000_steps, c.environment.action_repeat, c.steps) == (100, 2, 5_000_000)
    rates = {name: o.learning_rate for name, o in paper.optimisers.items()}
    assert rates == {"model": 6e-4, "actor": 8e-5, "value": 8e-5, "q": 8e-5, "temperature": 3e-4}
    assert (c.behaviour.horizon, c.behaviour.discount, c.behaviour.lambda_) == (15, 0.99, 0.95)
    assert c.planning.learning_rate == 0.003
    assert c.behaviour.exploration_noise == 0.3
    assert all(o.clip == 100 for name, o in paper.optimisers.items() if name != "temperature")


def test_the_released_codes_quirks_one_by_one() -> None:
    c = cast(CVRLConfig, preset_config("cvrl", "released-code"))
    assert c.environment.matte == "paper"
    assert c.behaviour.discount_weights
    assert c.behaviour.evaluate_with == "samples"
    assert c.contrastive.state_units == (200, 200)
    assert c.contrastive.observation_units == (400, 200)
    assert not c.contrastive.bilinear
    assert c.contrastive.activate_last
    assert c.sac.weight == 0
    assert c.planning.when == "always"
    assert c.planning.iterations == 1
    assert c.planning.first_action_only
    assert c.planning.first_environment_only
    assert not c.planning.clip
    agent = CVRL(c, 2, CPU)
    assert agent.critic is None
    assert agent.world_model.contrastive is not None
    assert agent.world_model.contrastive.weight is None


@pytest.mark.parametrize(
    ("ablation", "observation_model", "plans", "has_critic"),
    [
        ("none", "contrastive", True, True),
        ("generative", "generative", True, True),
        ("no-mpc", "contrastive", False, True),
        ("no-sac", "contrastive", True, False),
        ("reward-only", "none", True, True),
    ],
)
def test_each_ablation_of_table_2_takes_away_one_thing(
    ablation: str, observation_model: str, plans: bool, has_critic: bool
) -> None:
    agent = cast(CVRL, make(tiny_cvrl(ablation=ablation)))
    assert agent.world_model.observation_model == observation_model
    assert (agent.world_model.decoder is not None) == (observation_model == "generative")
    assert (agent.world_model.contrastive is not None) == (observation_model == "contrastive")
    assert (agent.planning is not None) == plans
    assert (agent.critic is not None) == has_critic


def test_dreamer_reconstructs_and_neither_plans_nor_has_a_soft_critic() -> None:
    agent = Dreamer(DreamerConfig(), 6, CPU)
    assert agent.world_model.decoder is not None
    assert agent.planning is None
    assert set(agent.optimisers) == {"model", "actor", "value"}


def test_dreamer_and_cvrl_share_every_setting_of_what_they_share() -> None:
    for preset in ("paper", "released-code", "laptop"):
        dreamer, cvrl = preset_config("dreamer", preset), preset_config("cvrl", preset)
        for section in ("model", "behaviour", "training", "environment", "replay", "steps"):
            assert getattr(dreamer, section) == getattr(cvrl, section), (preset, section)


@pytest.mark.parametrize("preset", ["paper", "released-code"])
def test_the_papers_networks_start_as_keras_draws_them(preset: str) -> None:
    """Glorot's bounds, no bias, an orthogonal recurrence; PyTorch's actor hardly tells states apart at the start."""
    start = cast(CVRLConfig, preset_config("cvrl", preset))
    agent = CVRL(start, 6, CPU)
    rssm, encoder = agent.world_model.rssm, agent.world_model.encoder
    layers = [
        (agent.actor.network.hidden[0].weight, 230 + 400),
        (agent.value.output.weight, 400 + 1),
        (rssm.cell.weight_ih, 200 + 3 * 200),
        (encoder.convolutions[1].weight, 4 * 4 * (32 + 64)),
    ]
    if agent.critic is not None:
        layers.append((agent.critic.target_q.networks[1].hidden[0].weight, 236 + 400))
    for weight, fans in layers:
        bound = (6 / fans) ** 0.5
        assert weight.abs().max() <= bound
        assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)
    assert all(not p.any() for name, p in agent.named_parameters() if "bias" in name and "norm" not in name)
    torch.testing.assert_close(rssm.cell.weight_hh.T @ rssm.cell.weight_hh, torch.eye(200), rtol=0, atol=1e-5)

    plain = CVRL(replace(start, initialisation="torch"), 6, CPU)
    features = torch.randn(300, 230, generator=torch.Generator().manual_seed(0))
    spread, plain_spread = (a.actor(features).mean.std(0).mean() for a in (agent, plain))
    assert spread > 5 * plain_spread


@pytest.mark.parametrize("agent", ["cvrl", "dreamer", "repo"])
def test_the_laptop_collects_many_frames_and_sees_each_a_few_times(agent: str) -> None:
    c = cast(DreamerConfig, preset_config(agent, "laptop"))
    t, repeat = c.training, c.environment.action_repeat
    seen = t.updates_per_1000_steps * t.batch_size * t.batch_length / (1000 / repeat)
    assert seen < 40  # the replay of one that learned clips by heart saw each 61 times
    assert c.replay.capacity * repeat >= 2_000_000
    assert c.replay.storage == "mapped"
    assert t.prefill >= 40 * 1000
    assert c.model.gradient_clip == 10 * DreamerConfig().model.gradient_clip


def test_unknown_presets_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="Unknown preset 'desktop'"):
        preset_config("cvrl", "desktop")


@pytest.mark.parametrize("repeat", [1, 2, 4, 8])
@pytest.mark.parametrize("name", list(TINY))
def test_the_discount_reaches_equally_far_in_control_time_at_every_action_repeat(
    name: str, repeat: int
) -> None:
    """0.99 a step of two control steps is a horizon of 200 of them, whatever a step is."""
    config = TINY[name](environment=EnvironmentConfig(action_repeat=repeat))
    agent = make(config)
    discount = {
        "cvrl": lambda: agent.behaviour.discount,
        "dreamer": lambda: agent.behaviour.discount,
        "repo": lambda: agent.behaviour.discount,
        "sac": lambda: agent.critic.discount,
        "ppo": lambda: agent.discount,
        "drqv2": lambda: agent.discount,
    }[name]()
    assert discount ** (1000 / repeat) == pytest.approx(0.99**500)
    if name == "cvrl":
        assert agent.critic.discount == discount
