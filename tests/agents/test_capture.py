"""Recordings, on a recorder that stands in for CUDA graphs: it computes nothing while recording, and then always the
same code on the same memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from agents.agent import Agent
from agents.fast.capture import Captured, Tensors, can_capture

from .test_updates import AGENTS
from .tiny import B, make, random_batch, tiny_cvrl, tiny_dreamer, tiny_sac


class FakeGraphs:
    """A graph's way of working on a CPU.

    Recording leaves no trace in parameters and random streams; a replay writes into the results' own memory. A stream
    that was not registered starts every replay where it stood at the recording, as CUDA's does.
    """

    def __init__(self, agent: Agent[Any] | None, forget_generators: bool = False) -> None:
        self.agent, self.forget = agent, forget_generators
        self.prepared = self.recorded = self.replayed = 0

    def prepare(self, function: Callable[[], Tensors]) -> Tensors:
        self.prepared += 1
        return function()

    def record(
        self, function: Callable[[], Tensors], generators: Sequence[torch.Generator]
    ) -> tuple[Callable[[], None], Tensors]:
        self.recorded += 1
        before = {k: v.clone() for k, v in self.agent.tensors().items()} if self.agent else {}
        states = [g.get_state() for g in generators]
        results = {k: v.clone() for k, v in function().items()}
        if self.agent:
            self.agent.load_tensors(before)
        for g, state in zip(generators, states, strict=True):
            g.set_state(state)
        for value in results.values():
            value.zero_()

        def replay() -> None:
            self.replayed += 1
            if self.forget:
                for g, state in zip(generators, states, strict=True):
                    g.set_state(state)
            for k, v in function().items():
                results[k].copy_(v)

        return replay, results


@pytest.mark.parametrize("name", ["cvrl", "dreamer", "sac"])
def test_recorded_updates_are_the_ordinary_ones(name: str) -> None:
    config, batch = AGENTS[name]
    plain, captured = make(config()), make(config())
    recorder = captured.recorder = FakeGraphs(captured)
    for i in range(6):
        expected, metrics = plain.update(batch(i)), captured.learn(batch(i))
        assert metrics.keys() == expected.keys()
        for key, value in expected.items():
            torch.testing.assert_close(metrics[key], value, rtol=0, atol=0, msg=f"{key} of update {i}")
    assert (recorder.prepared, recorder.recorded, recorder.replayed) == (3, 1, 3)
    for key, value in plain.state_dict().items():
        assert torch.equal(captured.state_dict()[key], value), key


@pytest.mark.parametrize("make_config", [tiny_cvrl, tiny_dreamer, tiny_sac])
def test_recorded_acting_is_the_ordinary_one(make_config: Any) -> None:
    plain, captured = make(make_config()), make(make_config())
    captured.recorder = FakeGraphs(None)
    frames = random_batch(0, B, 6).frames
    memory, other = plain.begin(B), captured.begin(B)
    for t in range(6):
        expected, memory = plain.act(frames[:, t], memory, plain.acting_noise, exploring=True)
        action, other = captured.explore(frames[:, t], other)
        torch.testing.assert_close(action, expected, rtol=0, atol=0)
        for key, value in memory.items():
            assert torch.equal(other[key], value), key


@pytest.mark.parametrize("forgetting", [False, True])
def test_every_replay_draws_new_exploration_noise(forgetting: bool) -> None:
    """A port's exploration was the same at every replay; a recorder that forgets the stream shows how that looks."""
    agent = make(tiny_cvrl())
    agent.recorder = FakeGraphs(None, forget_generators=forgetting)
    frames, memory = random_batch(0, B, 1).frames[:, 0], agent.begin(B)
    actions = [agent.explore(frames, memory)[0] for _ in range(7)][3:]
    equal = [torch.equal(a, b) for i, a in enumerate(actions) for b in actions[:i]]
    assert all(equal) if forgetting else not any(equal)


def test_results_that_were_kept_stay_as_they_are() -> None:
    doubled = Captured(lambda inputs: {"y": 2 * inputs["x"]}, [], FakeGraphs(None), warm_ups=1)
    results = [doubled({"x": torch.tensor([float(i)])})["y"] for i in range(4)]
    assert doubled.recorded
    assert [r.item() for r in results] == [0, 2, 4, 6]


def test_inputs_of_another_shape_are_refused() -> None:
    doubled = Captured(lambda inputs: {"y": 2 * inputs["x"]}, [], FakeGraphs(None), warm_ups=0)
    doubled({"x": torch.zeros(3)})
    with pytest.raises(
        ValueError, match=r"x was recorded as torch.float32 \[3\] and is now torch.float32 \[4\]"
    ):
        doubled({"x": torch.zeros(4)})


def test_a_processor_records_nothing() -> None:
    assert not can_capture(torch.device("cpu"))
    assert make(tiny_cvrl()).recorder is None
