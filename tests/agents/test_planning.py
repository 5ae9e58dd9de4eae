from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from agents.behaviour.planning import Planner, planned_in
from agents.model.rssm import Latent
from agents.training.config import PlanningConfig

from .tiny import BEHAVIOUR, A, make, tiny_cvrl

N, S, D = 16, 4, 12


def planner(**changes: object) -> Planner:
    agent = make(tiny_cvrl())
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():  # rewards and values worth climbing
        for head in (agent.world_model.reward, agent.value):
            for p in head.parameters():
                p.copy_(torch.randn(p.shape, generator=g) * 0.7)
    settings = replace(PlanningConfig(iterations=5, learning_rate=0.05), **changes)
    return Planner(agent.world_model, agent.actor, agent.value, BEHAVIOUR, settings)


def start() -> Latent:
    g = torch.Generator().manual_seed(1)
    s, h = torch.randn(N, S, generator=g), torch.randn(N, D, generator=g).tanh()
    return Latent(s, torch.ones_like(s), s, h)


def noise() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(2)
    return torch.randn(5, N, S, generator=g), torch.randn(5, N, A, generator=g)


def test_it_raises_the_predicted_return() -> None:
    p = planner()
    state_noise, action_noise = noise()
    before = p.guide(start(), state_noise, action_noise)
    after = p.improve(start(), before, state_noise)
    with torch.no_grad():
        gain = p.predicted_return(start(), after, state_noise) - p.predicted_return(
            start(), before, state_noise
        )
    assert gain.mean() > 0.01
    assert (gain > 0).float().mean() > 0.8


def test_more_iterations_raise_it_further() -> None:
    state_noise, action_noise = noise()
    gains = []
    for iterations in (1, 5, 20):
        p = planner(iterations=iterations)
        before = p.guide(start(), state_noise, action_noise)
        with torch.no_grad():
            after = p.predicted_return(start(), p.improve(start(), before, state_noise), state_noise)
            gains.append((after - p.predicted_return(start(), before, state_noise)).mean().item())
    assert gains[0] < gains[1] < gains[2]


def test_one_iteration_is_the_papers_formula() -> None:
    p = planner(iterations=1, clip=False)
    state_noise, action_noise = noise()
    actions = p.guide(start(), state_noise, action_noise)
    improved = p.improve(start(), actions, state_noise)
    # ∇ by central differences, for some actions of the sequence.
    epsilon = 1e-2
    for step, env, axis in ((0, 0, 0), (2, 5, 1), (3, 9, 0)):
        shifted = [actions.clone(), actions.clone()]
        shifted[0][step, env, axis] -= epsilon
        shifted[1][step, env, axis] += epsilon
        with torch.no_grad():
            low, high = (p.predicted_return(start(), a, state_noise)[env] for a in shifted)
        slope = (high - low).item() / (2 * epsilon)
        moved = (improved - actions)[step, env, axis].item()
        assert moved == pytest.approx(0.05 * slope, rel=0.05, abs=1e-5)


def test_the_whole_sequence_moves_but_for_the_last_action_that_only_the_value_sees() -> None:
    p = planner()
    state_noise, action_noise = noise()
    before = p.guide(start(), state_noise, action_noise)
    moved = (p.improve(start(), before, state_noise) - before).abs().amax((1, 2))
    assert (moved > 0).all()
    first_only = planner(first_action_only=True)
    moved = (first_only.improve(start(), before, state_noise) - before).abs().amax((1, 2))
    assert moved[0] > 0
    assert (moved[1:] == 0).all()


def test_actions_never_leave_their_bounds() -> None:
    p = planner(learning_rate=1000.0)
    state_noise, action_noise = noise()
    improved = p.improve(start(), p.guide(start(), state_noise, action_noise), state_noise)
    assert improved.abs().max() == 1
    assert (
        planner(learning_rate=1000.0, clip=False)
        .improve(start(), p.guide(start(), state_noise, action_noise), state_noise)
        .abs()
        .max()
        > 1
    )


def test_environments_plan_each_for_themselves() -> None:
    p = planner()
    state_noise, action_noise = noise()
    together = p.improve(start(), p.guide(start(), state_noise, action_noise), state_noise)
    for i in (0, 7):
        own = Latent(*(x[i : i + 1] for x in start()))
        guide = p.guide(own, state_noise[:, i : i + 1], action_noise[:, i : i + 1])
        alone = p.improve(own, guide, state_noise[:, i : i + 1])
        torch.testing.assert_close(together[:, i : i + 1], alone, rtol=1e-4, atol=1e-5)
    released = planner(first_environment_only=True)
    moved = (released.improve(start(), together, state_noise) - together).abs().amax((0, 2))
    assert moved[0] > 0
    assert (moved[1:] == 0).all()


def test_planning_leaves_parameters_and_their_gradients_alone() -> None:
    p = planner()
    before = [x.clone() for x in p.model.parameters()]
    action = p(start(), torch.Generator().manual_seed(0), sampled=False)
    assert action.shape == (N, A)
    assert not action.requires_grad
    assert all(x.grad is None for x in p.model.parameters())
    assert all((a == b).all() for a, b in zip(before, p.model.parameters(), strict=True))


def test_when_to_plan() -> None:
    for when, exploring, evaluating in (
        ("always", True, True),
        ("evaluation", False, True),
        ("never", False, False),
    ):
        settings = PlanningConfig(when=when)  # type: ignore[arg-type]
        assert planned_in(settings, exploring=True) is exploring
        assert planned_in(settings, exploring=False) is evaluating
    assert planned_in(None, exploring=False) is False
