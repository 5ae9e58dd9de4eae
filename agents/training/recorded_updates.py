"""The updates of an agent, on a GPU recorded as CUDA graphs.

An update is thousands of small kernels, one after the other, as the world model and the imagination go step by step.
Launching them one by one from Python takes several times as long as running them; a graph launches all at once.

A recorded update is the agent's own, with the same numbers, but for when a failure shows: nobody waits for an update to
end, so that a loss that is not finite is found before the next one. No parameter has moved then either.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, Generic, NamedTuple

import torch
from torch import Tensor

from ..agent import Agent, Metrics
from .batch import BatchT
from .optimiser import NonFiniteGradient

# Updates before one is recorded: they create Adam's moments, and what cuBLAS and cuDNN keep.
FIRST = 3


class Updates(Generic[BatchT]):
    """Updates of `agent`, one by one."""

    def __init__(self, agent: Agent[BatchT]) -> None:
        self.agent = agent

    def update(self, batch: BatchT) -> Metrics:
        """See `Agent.update`. Raises `NonFiniteGradient`."""
        return self.agent.update(batch)

    def warm_up(self, batch: BatchT) -> Metrics:
        """See `Agent.warm_up`. Raises `NonFiniteGradient`."""
        return self.agent.warm_up(batch)

    def settle(self) -> None:
        """Waits until the last update has ended. Raises `NonFiniteGradient`, with its batch, if it failed."""


class _Recording(NamedTuple):
    graph: torch.cuda.CUDAGraph
    inputs: Any  # the batch that it reads
    names: list[str]  # of the metrics
    values: Tensor  # of the metrics
    groups: list[str]  # that it differentiates
    verdicts: Tensor  # [groups, 2], their losses and norms
    seen: Tensor  # the same, in page-locked memory of the processor


class RecordedUpdates(Updates[BatchT]):
    """Updates of `agent`, which is on a GPU: the first few one by one, the others as a CUDA graph."""

    def __init__(self, agent: Agent[BatchT]) -> None:
        super().__init__(agent)
        self._stream = torch.cuda.Stream(agent.device)
        self._pool = torch.cuda.graph_pool_handle()
        self._recordings: dict[str, _Recording] = {}
        self._before = Counter[str]()
        self._running: tuple[_Recording, torch.cuda.Event] | None = None

    def update(self, batch: BatchT) -> Metrics:
        with torch.cuda.device(self.agent.device):
            return self._run("update", self.agent.update, batch)

    def warm_up(self, batch: BatchT) -> Metrics:
        with torch.cuda.device(self.agent.device):
            return self._run("warm_up", self.agent.warm_up, batch)

    def _run(self, name: str, function: Callable[[BatchT], Metrics], batch: BatchT) -> Metrics:
        self.settle()
        if self._before[name] < FIRST:
            self._before[name] += 1
            return self._one_by_one(function, batch)
        recording = self._recordings.get(name)
        if recording is None:
            recording = self._recordings[name] = self._record(function, batch)
        for ours, theirs in zip(recording.inputs, batch, strict=True):
            ours.copy_(theirs)
        recording.graph.replay()
        recording.seen.copy_(recording.verdicts, non_blocking=True)
        ended = torch.cuda.Event()
        ended.record()
        self._running = recording, ended
        return dict(zip(recording.names, recording.values.clone().unbind(), strict=True))

    def settle(self) -> None:
        if self._running is None:
            return
        recording, ended = self._running
        self._running = None
        ended.synchronize()
        for group, (loss, norm) in zip(recording.groups, recording.seen.tolist(), strict=True):
            if not math.isfinite(norm):
                raise NonFiniteGradient(group, loss, norm, recording.inputs)

    def _one_by_one(self, function: Callable[[BatchT], Metrics], batch: BatchT) -> Metrics:
        present = torch.cuda.current_stream(self.agent.device)
        self._stream.wait_stream(present)
        with torch.cuda.stream(self._stream):
            metrics = function(batch)
        present.wait_stream(self._stream)
        return metrics

    def _record(self, function: Callable[[BatchT], Metrics], batch: BatchT) -> _Recording:
        inputs = type(batch)(*(x.clone() for x in batch))
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.agent.update_noise)
        optimisers = self.agent.optimisers
        for optimiser in optimisers.values():
            optimiser.verdict = None
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            metrics = function(inputs)
            values = torch.stack([value.float() for value in metrics.values()])
            judged = {name: o.verdict for name, o in optimisers.items() if o.verdict is not None}
            verdicts = torch.stack(list(judged.values()))
        seen = torch.empty(verdicts.shape, pin_memory=True)
        return _Recording(graph, inputs, list(metrics), values, list(judged), verdicts, seen)


def updates_of(agent: Agent[BatchT], fast: bool) -> Updates[BatchT]:
    """The updates of `agent`: recorded if it is on a GPU and can be, and `fast` is set."""
    recorded = fast and agent.recordable and agent.device.type == "cuda"
    return RecordedUpdates(agent) if recorded else Updates(agent)
