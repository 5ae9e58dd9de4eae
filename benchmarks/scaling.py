"""How cost grows: environments, replay and image size. Writes scaling.json and one PNG each into docs/performance.

    python -m benchmarks.scaling [--only environments replay image] [--out docs/performance]

- environments: agent steps/s of natural WalkerWalk as a vector environment of 1 … 64, with one worker a core.
- replay: milliseconds to draw 16×16 and 50×50 from 10⁴ … 10⁶ rows; from 10⁵ on memory-mapped. The files are sparse: a
  million rows are 12 GB. Rows that were never written cost their look-up and copy, and no wait for a disk.
- image: steps/s of one environment and seconds of one CVRL update (16×16) at 64, 84 and 128 pixels.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib
import numpy as np
import torch

import natural_mujoco  # noqa: F401
from agents.fast.allocator import keep_freed_memory
from agents.table import make_agent
from agents.training.batch import Batch
from agents.training.config import CVRLConfig
from agents.training.replay import Replay
from agents.training.state import ReplayState
from benchmarks.measuring.timing import machine, sample, spread

matplotlib.use("Agg")
from matplotlib import pyplot

CPU, TASK = torch.device("cpu"), "NaturalMujoco/WalkerWalk-v0"
Points = dict[str, list[dict[str, float]]]  # curve → points, each with x, value, low, high


def steps_per_second(
    envs: Any, actions: np.ndarray, count: int, steps: int = 40, rounds: int = 3
) -> list[float]:
    """Agent steps/s of `rounds` stretches of one episode."""
    envs.reset(seed=0)
    rates = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(steps):
            envs.step(actions)
        rates.append(count * steps / (time.perf_counter() - start))
    envs.close()
    return rates


def environments() -> Points:
    """Steps/s over the number of environments."""
    points = []
    for n in (1, 2, 4, 8, 16, 32, 64):
        envs = gym.make_vec(TASK, num_envs=n, videos="embedded")
        rates = steps_per_second(envs, np.zeros((n, 6), np.float32), n, steps=max(10, 160 // n))
        points.append({"x": n, **spread(rates)})
    return {"natural WalkerWalk": points}


def replay() -> Points:
    """Milliseconds a batch over the rows of the replay."""
    curves: Points = {"16×16": [], "50×50": []}
    for rows in (10_000, 100_000, 1_000_000):
        with tempfile.TemporaryDirectory() as folder:
            for file, size in (("frames", 12288), ("actions", 24), ("rewards", 4), ("terminals", 1)):
                # Laid out sparsely, so that a million rows can be asked for on any disk.
                with open(Path(folder) / f"{file}.bin", "wb") as f:
                    f.truncate((rows + 2000) * size)
            store = _unfilled(Path(folder), rows)
            rng = np.random.default_rng(0)
            for label, (b, t) in {"16×16": (16, 16), "50×50": (50, 50)}.items():
                timings = sample(lambda s=store, b=b, t=t, g=rng: s.sample(b, t, g), CPU, 1.0, least=5)
                curves[label].append({"x": rows, **spread(timings, 1000)})
    return curves


def _unfilled(folder: Path, rows: int) -> Replay:
    """A replay that believes that episodes of 500 steps fill it."""
    reserve = getattr(os, "posix_fallocate", None)
    if reserve is not None:
        os.posix_fallocate = lambda *_: None
    try:
        store = Replay(folder, 1, rows, (64, 64, 3), 6, "memory" if rows < 100_000 else "mapped")
    finally:
        if reserve is not None:
            os.posix_fallocate = reserve
    starts = list(range(0, rows, 500))
    ends = [*starts[1:], rows]
    store.restore(
        ReplayState(rows=rows, stream=[0] * len(starts), start=starts, end=ends, current=[len(starts) - 1]),
        {},
        "nowhere",
    )
    return store


def image() -> Points:
    """Environment and update over the size of the picture."""
    curves: Points = {"environment, ms a step": [], "CVRL update 16×16, s": []}
    keep_freed_memory()
    for size in (64, 84, 128):
        env = gym.make_vec(TASK, num_envs=1, videos="embedded", size=size)
        rates = steps_per_second(env, np.zeros((1, 6), np.float32), 1, steps=100)
        curves["environment, ms a step"].append({"x": size, **spread([1000 / rate for rate in rates])})
        config = CVRLConfig()
        config = dataclasses.replace(config, environment=dataclasses.replace(config.environment, size=size))
        agent = make_agent(config, 6, CPU)
        frames = torch.randint(0, 256, (16, 16, size, size, 3), dtype=torch.uint8)
        batch = Batch(frames, torch.rand(16, 16, 6), torch.rand(16, 16), *torch.zeros(2, 16, 16))
        agent.update(batch)
        timings = sample(lambda a=agent, b=batch: a.update(b), CPU, 3.0, least=3)
        curves["CVRL update 16×16, s"].append({"x": size, **spread(timings)})
    return curves


STUDIES: dict[str, tuple[Callable[[], Points], str, str, bool]] = {
    "environments": (environments, "environments", "agent steps/s", True),
    "replay": (replay, "rows in the replay", "ms a batch", True),
    "image": (image, "pixels a side", "ms or s", False),
}


def plot(name: str, curves: Points, path: Path) -> None:
    """One line for each curve, bars from the least to the most."""
    _, x_label, y_label, logarithmic = STUDIES[name]
    figure, axes = pyplot.subplots(figsize=(5, 3.2), layout="constrained")
    for label, points in curves.items():
        x, y = [p["x"] for p in points], [p["value"] for p in points]
        errors = [[p["value"] - p["low"] for p in points], [p["high"] - p["value"] for p in points]]
        axes.errorbar(x, y, errors, marker="o", capsize=3, label=label)
    if logarithmic:
        axes.set_xscale("log", base=2 if name == "environments" else 10)
    axes.set(xlabel=x_label, ylabel=y_label, ylim=(0, None))
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(STUDIES), default=list(STUDIES))
    parser.add_argument("--out", type=Path, default=Path("docs/performance"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "scaling.json"
    data = json.loads(file.read_text()) if file.exists() else {}
    for name in options.only:
        curves = STUDIES[name][0]()
        data[name] = {"machine": machine(CPU), "curves": curves}
        plot(name, curves, options.out / f"scaling-{name}.png")
        for label, points in curves.items():
            values = ", ".join(f"{p['x']:,}: {p['value']:.4g}" for p in points)
            print(f"{name}: {label}: {values}", flush=True)
    file.write_text(json.dumps(data, indent=1) + "\n")


if __name__ == "__main__":
    main()
