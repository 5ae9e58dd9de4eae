"""Launches Warp's kernels among torch's.

- `on_stream`: orders Warp's kernels after torch's.
- `Kernels`: the same kernels again and again, on a GPU launched as one graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import warp


@contextmanager
def on_stream(device: torch.device) -> Iterator[None]:
    """Inside, Warp runs on `device` and on torch's present stream, so that both see each other's results."""
    if device.type == "cuda":
        stream = warp.stream_from_torch(torch.cuda.current_stream(device))
        with warp.ScopedStream(stream):
            yield
    else:
        with warp.ScopedDevice("cpu"):
            yield


class Kernels:
    """What `launch` has Warp do on `device`, the same each time: on a GPU launched as one CUDA graph.

    A control step is thousands of small kernels, and launching them one by one from Python takes longer than running
    them. The first run launches them one by one all the same, since Warp compiles kernels then.

    `launch` must not refer to what holds the `Kernels`: a cycle would keep the device's memory after `close`.
    """

    as_graphs = True
    """Whether graphs are used; off, to measure what they are worth."""

    def __init__(self, device: torch.device, launch: Callable[[], object]) -> None:
        self._device, self._launch = device, launch
        self._graph: Any = None
        self._compiled = False

    def run(self) -> None:
        """Runs the kernels after what torch's present stream does, and before what it does next."""
        if not (self._compiled and self._device.type == "cuda" and self.as_graphs):
            with on_stream(self._device):
                self._launch()
            self._compiled = True
            return
        if self._graph is None:
            self._graph = self._record()
        stream = warp.stream_from_torch(torch.cuda.current_stream(self._device))
        warp.capture_launch(self._graph, stream=stream)

    def _record(self) -> Any:
        # On a stream of its own, as torch's default stream cannot be recorded. Nothing runs meanwhile.
        torch.cuda.synchronize(self._device)
        stream = warp.Stream(warp.device_from_torch(self._device))
        with warp.ScopedStream(stream), warp.ScopedCapture(stream=stream) as capture:
            self._launch()
        return capture.graph
