"""What an agent does between environment steps: one whole update, sampling from replay, acting."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.fast.allocator import keep_freed_memory
from agents.sac import StackedBatch
from agents.table import make_agent
from agents.training.batch import Batch, on_device
from agents.training.config import CVRLConfig, DreamerConfig, RunConfig, TrainingConfig
from agents.training.pixel_config import PixelSACConfig
from agents.training.replay import Replay

from .timing import Row, sample, spread

ACTIONS = 6
CONFIGS: dict[str, type[RunConfig]] = {"dreamer": DreamerConfig, "cvrl": CVRLConfig, "sac": PixelSACConfig}


def random_batch(agent: str, shape: str, device: torch.device) -> Any:
    """Noise in the shape of experience; SAC gets B·T transitions."""
    b, t = map(int, shape.split("x"))
    if agent == "sac":
        n = b * t
        frames, following = torch.randint(0, 256, (2, n, 3, 64, 64, 3), dtype=torch.uint8)
        stacked = StackedBatch(
            frames, following, torch.rand(n, ACTIONS) * 2 - 1, torch.rand(n), torch.zeros(n)
        )
        return on_device(stacked, device)
    frames = torch.randint(0, 256, (b, t, 64, 64, 3), dtype=torch.uint8)
    batch = Batch(frames, torch.rand(b, t, ACTIONS) * 2 - 1, torch.rand(b, t), *torch.zeros(2, b, t))
    return on_device(batch, device)


def paper_agent(name: str, device: torch.device, fast: bool, precision: str) -> Any:
    """The agent with the paper's sizes."""
    training = TrainingConfig(fast=fast, precision=precision)  # type: ignore[arg-type]
    return make_agent(dataclasses.replace(CONFIGS[name](), training=training), ACTIONS, device)


def update_rows(
    agents: list[str], shapes: list[str], precisions: list[str], device: torch.device, budget: float
) -> Iterator[Row]:
    """Seconds of one whole update for each path and precision, ÷ the plain path in float32 of the same run."""
    paths = ["plain", "fast"]
    for shape in shapes:
        for name in agents:
            batch, reference = random_batch(name, shape, device), None
            for precision in precisions:
                for path in paths:
                    keep_freed_memory(path != "plain")
                    agent = paper_agent(name, device, path != "plain", precision)
                    timings = sample(lambda a=agent, b=batch: a.update(b), device, budget)
                    row = Row("update", f"{name} {shape} {path} {precision}", unit="s", **spread(timings))
                    reference = reference or row.value
                    row.ratio, row.against = row.value / reference, f"{paths[0]} {precisions[0]}"
                    row.details = {"rounds": len(timings), "updates_per_second": 1 / row.value}
                    yield row
                    del agent


def filled_replay(folder: Path, rows: int, streams: int, storage: str) -> Replay:
    """A replay of noise in episodes of 500 steps."""
    replay = Replay(folder, streams, rows, (64, 64, 3), ACTIONS, storage)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (streams, 64, 64, 3), dtype=np.uint8)
    zeros = np.zeros(streams, np.float32)
    for row in range(rows // streams):
        frames[:, row % 64] += 1  # no two rows alike, at the price of one line of pixels
        replay.add(frames, np.zeros((streams, ACTIONS), np.float32), zeros, zeros > 0, zeros + row % 500 == 0)
    return replay


def replay_rows(shapes: list[str], device: torch.device, budget: float, rows: int = 20_000) -> Iterator[Row]:
    """Milliseconds to draw a batch and bring it to the device, for each storage, ÷ drawing from memory."""
    reference: dict[str, float] = {}
    for storage in ("memory", "mapped"):
        with tempfile.TemporaryDirectory() as folder:
            replay = filled_replay(Path(folder), rows, 8, storage)
            for shape in shapes:
                b, t = map(int, shape.split("x"))
                rng = np.random.default_rng(0)
                timings = sample(
                    lambda r=replay, b=b, t=t, g=rng: on_device(r.sample(b, t, g), device), device, budget
                )
                row = Row("replay", f"{storage} {shape} of {rows:,}", unit="ms", **spread(timings, 1000))
                reference.setdefault(shape, row.value)
                row.ratio, row.against = row.value / reference[shape], "memory"
                yield row


def acting_rows(widths: list[int], device: torch.device, budget: float) -> Iterator[Row]:
    """Milliseconds for one action of every environment, CVRL of the paper's sizes, without and with MPC."""
    for width in widths:
        frames = torch.randint(0, 256, (width, 64, 64, 3), dtype=torch.uint8, device=device)
        reference = None
        agent = paper_agent("cvrl", device, True, "auto")
        planning = agent.planning
        for label, chosen in (("without MPC", None), ("with MPC", planning)):
            agent.planning = chosen
            memory = agent.begin(width)

            def act(a: Any = agent, f: torch.Tensor = frames, m: Any = memory) -> torch.Tensor:
                return a.act(f, m, a.acting_noise, exploring=True)[0].float().cpu()

            timings = sample(act, device, budget)
            row = Row("acting", f"{width} environments {label}", unit="ms", **spread(timings, 1000))
            reference = reference or row.value
            row.ratio, row.against = row.value / reference, "without MPC"
            yield row
