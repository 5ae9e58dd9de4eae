"""What a user sees of a policy: actions that depend on what it is shown, and exploration that explores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from .tiny import (
    A,
    B,
    make,
    random_batch,
    tiny_cvrl,
    tiny_distil,
    tiny_dreamer,
    tiny_ppo,
    tiny_repo,
    tiny_sac,
)

CONFIGS = [tiny_cvrl, tiny_dreamer, tiny_repo, tiny_sac, tiny_ppo, tiny_distil]


def acted(agent: Any, frames: torch.Tensor, exploring: bool, seed: int = 0) -> torch.Tensor:
    noise = torch.Generator().manual_seed(seed)
    return agent.act(frames, agent.begin(len(frames)), noise, exploring)[0]


@pytest.mark.parametrize("config", CONFIGS)
def test_the_action_depends_on_the_image(config: Any) -> None:
    agent = make(config())
    for _ in range(3):
        if config in (tiny_cvrl, tiny_dreamer, tiny_repo):
            agent.update(random_batch())
    one = random_batch(1).frames[:, 0]
    other = 255 - one
    assert torch.equal(acted(agent, one, False), acted(agent, one, False))
    assert not torch.allclose(acted(agent, one, False), acted(agent, other, False), atol=1e-6)


@pytest.mark.parametrize("config", [tiny_cvrl, tiny_dreamer])
def test_the_action_depends_on_what_was_seen_before(config: Any) -> None:
    agent = make(config())
    before, now = random_batch(1).frames[:, 0], random_batch(2).frames[:, 0]
    noise = torch.Generator().manual_seed(0)
    _, memory = agent.act(before, agent.begin(B), noise, exploring=False)
    remembering, _ = agent.act(now, memory, torch.Generator().manual_seed(1), exploring=False)
    fresh, _ = agent.act(now, agent.begin(B), torch.Generator().manual_seed(1), exploring=False)
    assert not torch.allclose(remembering, fresh, atol=1e-7)


@pytest.mark.parametrize("config", CONFIGS)
def test_exploration_noise_differs_between_steps_and_environments(config: Any) -> None:
    agent = make(config())
    same = random_batch().frames[:1, 0].repeat(4, 1, 1, 1)
    actions = torch.stack([agent.act(same, agent.begin(4), agent.acting_noise, True)[0] for _ in range(3)])
    flat = actions.flatten(0, 1)  # three steps of four environments, all shown the same
    assert len({tuple(a.tolist()) for a in flat}) == 12
    assert flat.std(0).min() > 0.05
    assert flat.abs().max() <= 1


@pytest.mark.parametrize("config", CONFIGS)
def test_actions_stay_in_bounds(config: Any) -> None:
    agent = make(config())
    for exploring in (True, False):
        action = acted(agent, random_batch().frames[:, 0], exploring)
        assert action.shape == (B, A)
        assert action.abs().max() <= 1


def test_exploration_adds_noise_of_the_configured_size() -> None:
    behaviour = replace(tiny_dreamer().behaviour, exploration_noise=0.3, initial_std=1e-3)
    agent = make(tiny_dreamer(behaviour=behaviour))
    with torch.no_grad():  # an actor that always means 0
        agent.actor.network.output.weight.zero_()
        agent.actor.network.output.bias.zero_()
    actions = acted(agent, random_batch().frames[:1, 0].repeat(600, 1, 1, 1), True)
    assert actions.std().item() == pytest.approx(0.3, rel=0.1)
    assert actions.mean().item() == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("config", CONFIGS)
def test_forgetting_is_per_environment(config: Any) -> None:
    agent = make(config())
    frames = random_batch().frames[:, 0]
    _, memory = agent.act(frames, agent.begin(B), agent.acting_noise, True)
    forgotten = agent.forget(memory, torch.tensor([True, False, False]))
    fresh = agent.begin(B)
    for key in memory:
        assert torch.equal(forgotten[key][0], fresh[key][0])
        assert torch.equal(forgotten[key][1:], memory[key][1:])


def test_planning_changes_the_action_and_no_mpc_does_not_plan() -> None:
    frames = random_batch().frames[:, 0]
    planning = make(tiny_cvrl())
    without = make(tiny_cvrl(ablation="no-mpc", planning=planning.planning))
    without.load_state_dict(planning.state_dict())
    with torch.no_grad():
        for agent in (planning, without):
            agent.value.output.weight.fill_(5.0)
    assert not torch.allclose(acted(planning, frames, False), acted(without, frames, False), atol=1e-5)
    assert without.planning is None


def test_samples_in_evaluation_where_the_preset_says_so() -> None:
    agent = make(tiny_dreamer(behaviour=replace(tiny_dreamer().behaviour, evaluate_with="samples")))
    frames = random_batch().frames[:, 0]
    assert not torch.equal(acted(agent, frames, False, 0), acted(agent, frames, False, 1))
    greedy = make(tiny_dreamer())
    one, two = acted(greedy, frames, False, 0), acted(greedy, frames, False, 1)
    assert (one - two).abs().max() < 0.2  # the latent's own noise is all there is
