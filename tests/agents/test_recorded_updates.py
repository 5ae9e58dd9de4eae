"""Updates that a CUDA graph can record. There is no GPU in CI: what recording forbids is looked for here on the CPU.

`tools/device_check.py` compares recorded updates with others on a GPU.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from agents.agent import Agent
from agents.training import optimiser
from agents.training.config import AugmentationConfig, TrainingConfig
from agents.training.optimiser import step_together
from agents.training.recorded_updates import Updates, updates_of

from .tiny import make, random_batch, tiny_cvrl, tiny_dreamer, tiny_repo

# What waits for the device, or copies to it from memory of the processor that the graph would read again and again.
FORBIDDEN = {
    "aten::_local_scalar_dense",
    "aten::is_nonzero",
    "aten::nonzero",
    "aten::masked_select",
    "aten::lift_fresh",
    "aten::unique",
    "aten::equal",
}
AGENTS = {
    "cvrl": tiny_cvrl(),
    "no-sac": tiny_cvrl(ablation="no-sac"),
    "generative": tiny_cvrl(ablation="generative"),
    "reward-only": tiny_cvrl(ablation="reward-only"),
    "redundancy-reduction": tiny_cvrl(observation="redundancy-reduction"),
    "augmented": tiny_cvrl(augmentation=AugmentationConfig(random_shift=3, overlay_probability=0.5)),
    "normalised": tiny_cvrl(
        behaviour=replace(
            tiny_cvrl().behaviour, normalise_returns=True, imagination_starts=4, policy="truncated-normal"
        )
    ),
    "dreamer": tiny_dreamer(),
    "repo": tiny_repo(),
}


def parameters(agent: Agent[Any]) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in agent.named_parameters() if p.requires_grad}


class Watched(TorchDispatchMode):
    """Notes the operations that a graph cannot record."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func._schema.name
        masks = name in ("aten::index", "aten::index_put_") and any(
            i is not None and i.dtype == torch.bool for i in args[1]
        )
        if name in FORBIDDEN or masks:
            self.found.add(name)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a CUDA graph recorded."""
    monkeypatch.setattr(optimiser, "_recording", lambda _: True)


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize("kind", ["update", "warm_up"])
@pytest.mark.usefixtures("recording")
def test_an_update_never_waits_for_the_device(name: str, kind: str) -> None:
    agent = make(AGENTS[name])
    assert agent.recordable
    step = getattr(agent, kind)
    batch = random_batch()
    step(batch)  # which creates Adam's moments
    with Watched() as watched:
        metrics = step(batch)
    assert watched.found == set()
    assert all(value.dim() == 0 for value in metrics.values())


def test_the_watch_sees_what_a_graph_cannot_record() -> None:
    x = torch.ones(3)
    for wait in (lambda: bool(x[0] > 0), lambda: x[x > 0], lambda: x.nonzero(), lambda: x.new_tensor([1.0])):
        with Watched() as watched:
            wait()
        assert watched.found


@pytest.mark.parametrize("name", AGENTS)
def test_a_recorded_update_is_the_same_update(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = []
    for recorded in (False, True):
        monkeypatch.setattr(optimiser, "_recording", lambda _, recorded=recorded: recorded)
        agent = make(AGENTS[name])
        agent.warm_up(random_batch())
        metrics = agent.update(random_batch())
        ends.append((parameters(agent), metrics))
    (plain, plain_metrics), (ours, our_metrics) = ends
    assert all(torch.equal(plain[k], ours[k]) for k in plain)
    assert all(torch.equal(plain_metrics[k], our_metrics[k]) for k in plain_metrics)


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.usefixtures("recording")
def test_no_parameter_moves_by_a_loss_that_is_not_finite(name: str) -> None:
    agent = make(AGENTS[name])
    batch = random_batch()
    agent.update(batch)
    before = parameters(agent)
    moments = {key: o.state() for key, o in agent.optimisers.items()}
    moments = {key: {k: v.clone() for k, v in state.items()} for key, state in moments.items()}
    agent.update(batch._replace(rewards=torch.full_like(batch.rewards, float("nan"))))
    assert all(torch.equal(before[k], v) for k, v in parameters(agent).items())
    for key, state in moments.items():
        assert all(torch.equal(v, agent.optimisers[key].state()[k]) for k, v in state.items())
    verdict = agent.optimisers["model"].verdict
    assert verdict is not None
    assert verdict.isnan().all()


@pytest.mark.usefixtures("recording")
def test_one_group_that_is_not_finite_keeps_all_others_from_moving() -> None:
    agent: Agent[Any] = make(tiny_cvrl())
    agent.update(random_batch())
    before = parameters(agent)
    for name, group in agent.optimisers.items():
        factor = float("inf") if name == "q" else 1.0
        group.differentiate(sum(factor * p.sum() for p in group.parameters))
    step_together(agent.optimisers.values())
    assert all(torch.equal(before[k], v) for k, v in parameters(agent).items())


def test_on_a_processor_updates_are_the_agents_own() -> None:
    agent = make(tiny_cvrl(training=TrainingConfig(fast=True)))
    updates = updates_of(agent, fast=True)
    assert type(updates) is Updates
    updates.settle()
