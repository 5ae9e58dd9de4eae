"""What the presets promise: the paper's numbers, the released code's quirks, the ablations."""

from __future__ import annotations

from typing import cast

import pytest
import torch

from agents.cvrl import CVRL
from agents.dreamer import Dreamer
from agents.table import preset_config
from agents.training.config import CVRLConfig, DreamerConfig
from natural_mujoco import InvalidArgument

from .tiny import CPU, make, tiny_cvrl


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
    rates = {name: o.adam.param_groups[0]["lr"] for name, o in paper.optimisers.items()}
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


def test_unknown_presets_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="Unknown preset 'desktop'"):
        preset_config("cvrl", "desktop")
