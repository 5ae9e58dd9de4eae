"""Recording a computation once as a CUDA graph and replaying it: an update is thousands of kernels, and launching them
one by one takes longer than running them.

- `Captured`: a function from named tensors to named tensors, recorded after some ordinary calls.
- `CudaGraphs`: how it is recorded on a GPU; tests put another recorder in its place.

What is recorded must never wait for the GPU or look at a number; `Optimiser` with `deferred` is made for that. Random
numbers are drawn inside, from generators that the graph knows, so that every replay draws new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


class Recorder(Protocol):
    """Runs and records computations on some device."""

    def prepare(self, function: Callable[[], Tensors]) -> Tensors:
        """Run `function` as it will be run while recording."""

    def record(
        self, function: Callable[[], Tensors], generators: Sequence[torch.Generator]
    ) -> tuple[Callable[[], None], Tensors]:
        """(what runs `function` again, where its results then are); nothing is computed yet."""


class CudaGraphs:
    """CUDA graphs on one device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def prepare(self, function: Callable[[], Tensors]) -> Tensors:
        """On a stream of its own, as capturing wants it."""
        stream = torch.cuda.Stream(self.device)
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            result = function()
        torch.cuda.current_stream(self.device).wait_stream(stream)
        return result

    def record(
        self, function: Callable[[], Tensors], generators: Sequence[torch.Generator]
    ) -> tuple[Callable[[], None], Tensors]:
        """One graph over all of `function`, which knows the generators that are drawn from inside."""
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            # Without this the offset into the random stream would be part of the recording: every replay the same.
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph):
            results = function()
        return graph.replay, results


class Captured:
    """`function` as a recording.

    The first `warm_ups` calls run it as it is, on the inputs given: they are real calls, whose effects count. The next
    one records. Inputs must keep their shapes from then on; results are copies that later calls leave alone.

    Args:
        function: from named tensors to named tensors; may change parameters in place.
        generators: what it draws random numbers from.
        recorder: see above.
    """

    def __init__(
        self,
        function: Callable[[Tensors], Tensors],
        generators: Sequence[torch.Generator],
        recorder: Recorder,
        warm_ups: int = 3,
    ) -> None:
        self._function, self._generators, self._recorder = function, generators, recorder
        self._left = warm_ups
        self._inputs: Tensors = {}
        self._results: Tensors = {}
        self._replay: Callable[[], None] | None = None

    @property
    def recorded(self) -> bool:
        """Whether calls replay by now."""
        return self._replay is not None

    def __call__(self, inputs: Tensors) -> Tensors:
        if self._left:
            self._left -= 1
            return self._recorder.prepare(lambda: self._function(inputs))
        if self._replay is None:
            self._inputs = {k: v.clone() for k, v in inputs.items()}
            self._replay, self._results = self._recorder.record(
                lambda: self._function(self._inputs), self._generators
            )
        for name, value in inputs.items():
            held = self._inputs[name]
            if held.shape != value.shape or held.dtype != value.dtype:
                raise ValueError(
                    f"{name} was recorded as {held.dtype} {list(held.shape)} and is now {value.dtype} "
                    f"{list(value.shape)}."
                )
            held.copy_(value, non_blocking=True)
        self._replay()
        return {k: v.clone() for k, v in self._results.items()}


def can_capture(device: torch.device) -> bool:
    """Whether computations on `device` can be recorded here, random numbers included."""
    return device.type == "cuda" and hasattr(torch.cuda.CUDAGraph, "register_generator_state")
