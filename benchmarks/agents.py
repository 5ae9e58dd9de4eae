"""Speed of the agents: one whole update on random data, and acting.

    python benchmarks/agents.py [--shapes 16x16 50x50] [--rounds 5] [--threads 2] [--json FILE]

- update: seconds of one whole update with the paper's sizes (world model, actor, value; for CVRL SAC too), the fast
  path and, by turns with it, the plain one in float32, which has the same arithmetic and no tricks.
- act: milliseconds for one action of 8 environments, without and with MPC.
- bound: the update's multiplications at the rate of one large matrix product on this machine, measured in the same
  run; no implementation can be faster.

Minima over the rounds: other work on the machine only ever adds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

sys.path[0] = str(Path(__file__).parents[1])  # this folder holds a file called agents too

from agents.table import make_agent  # noqa: E402
from agents.training.batch import Batch  # noqa: E402
from agents.training.config import CVRLConfig, DreamerConfig, TrainingConfig  # noqa: E402

# Another public PyTorch Dreamer (RePo's), float32, the same shapes, two such cores: see docs/agents/README.md.
PUBLIC_SECONDS = {"16x16": 1.0, "50x50": 19.6}
TARGET_SECONDS = {
    ("dreamer", "16x16"): 0.33,
    ("dreamer", "50x50"): 6.5,
    ("cvrl", "16x16"): 0.30,
    ("cvrl", "50x50"): 6.0,
}
TARGET_ACT_MS = 8.0
ACTIONS, ENVIRONMENTS = 6, 8


def best(call: Callable[[], object]) -> float:
    """Seconds of one `call`."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def random_batch(b: int, t: int) -> Batch:
    """Noise in the shape of experience."""
    frames = torch.randint(0, 256, (b, t, 64, 64, 3), dtype=torch.uint8)
    return Batch(frames, torch.rand(b, t, ACTIONS) * 2 - 1, torch.rand(b, t), *torch.zeros(2, b, t))


def make(name: str, fast: bool) -> Any:
    """The agent with the paper's sizes, on the CPU; the plain one computes in float32."""
    config = DreamerConfig() if name == "dreamer" else CVRLConfig()
    training = TrainingConfig(fast=fast, precision="auto" if fast else "float32")
    return make_agent(dataclasses.replace(config, training=training), ACTIONS, torch.device("cpu"))


def multiplications(name: str, states: int) -> float:
    """Multiply-adds of one update of N = B·T states, in 10⁹, with those of its backward pass.

    A layer costs its forward count once more for the gradient of its input and once more for that of its weights. Only
    what is needed is counted: frames have no gradient, the imagined dynamics, rewards and values none of their weights.
    """
    encoder = (961 * 32 * 48, 196 * 64 * 512, 36 * 128 * 1024, 4 * 256 * 2048)
    decoder = 230 * 1024 + 1024 * 128 * 25 + 25 * 128 * 64 * 25 + 169 * 64 * 32 * 36 + 900 * 32 * 3 * 36
    dynamics = 36 * 200 + 2 * 200 * 600 + 200 * 200 + 200 * 60
    hidden = {"reward": 400 * 400, "value": 2 * 400 * 400, "actor": 3 * 400 * 400}
    first = 230 * 400
    model = 3 * sum(encoder) - encoder[0] + 3 * (dynamics + 1224 * 200 + 200 * 60 + first + hidden["reward"])
    if name == "dreamer":
        model += 3 * decoder
    step = 2 * (dynamics + first + hidden["reward"]) + (3 * hidden["actor"] + 2 * first)
    step += 4 * hidden["value"] + 3 * first
    soft = 0
    if name == "cvrl":
        model += 3 * (230 * 200 + 1024 * 200 + 3 * 200 * 200 + states * 200)
        q = 236 * 400 + 2 * 400 * 400
        soft = 4 * (first + hidden["actor"]) + 2 * q * (1 + 3 + 2)
    return states * (model + 15 * step + soft) / 1e9


def matrix_rate(dtype: torch.dtype) -> float:
    """10⁹ multiply-adds a second of one large matrix product."""
    a, b = (torch.randn(2048, 2048, dtype=dtype) for _ in range(2))
    return 2048**3 / min(best(lambda: a @ b) for _ in range(8)) / 1e9


def measure_updates(shapes: list[str], rounds: int) -> list[dict[str, Any]]:
    """One row for each agent and shape."""
    rows = []
    for shape in shapes:
        b, t = map(int, shape.split("x"))
        batch = random_batch(b, t)
        for name in ("dreamer", "cvrl"):
            fast, plain = make(name, True), make(name, False)
            for agent in (fast, plain):
                agent.update(batch)
            times: dict[str, list[float]] = {"fast": [], "plain": []}
            for _ in range(rounds):
                times["fast"].append(best(partial(fast.update, batch)))
                times["plain"].append(best(partial(plain.update, batch)))
            dtype = torch.bfloat16 if fast.precision == "bfloat16" else torch.float32
            rows.append(
                {
                    "agent": name,
                    "shape": shape,
                    "seconds": min(times["fast"]),
                    "target": TARGET_SECONDS.get((name, shape)),
                    "plain_seconds": min(times["plain"]),
                    "public_seconds": PUBLIC_SECONDS.get(shape),
                    "giga_multiplications": multiplications(name, b * t),
                    "bound_seconds": multiplications(name, b * t) / matrix_rate(dtype),
                    "precision": fast.precision,
                }
            )
            print_update(rows[-1])
    return rows


def print_update(row: dict[str, Any]) -> None:
    """One line of the report."""
    print(
        f"{row['agent']:8} {row['shape']}  {row['seconds']:7.3f} s (target {row['target']})  "
        f"plain float32 {row['plain_seconds']:7.3f} s, ratio {row['seconds'] / row['plain_seconds']:.2f}  "
        f"bound by {row['giga_multiplications']:.0f}·10⁹ multiplications: {row['bound_seconds']:.3f} s",
        flush=True,
    )


def measure_acting(calls: int) -> dict[str, float]:
    """Milliseconds for one action of 8 environments."""
    agent = make("cvrl", True)
    frames = random_batch(ENVIRONMENTS, 1).frames[:, 0]
    result = {}
    for label, planning in (("without MPC", None), ("with MPC", agent.planning)):
        agent.planning = planning
        memory = agent.begin(ENVIRONMENTS)
        times = [best(lambda m=memory: agent.act(frames, m, agent.acting_noise, True)) for _ in range(calls)]
        result[label] = 1000 * min(times)
        print(
            f"acting for {ENVIRONMENTS}, {label}: {result[label]:.1f} ms (target without MPC {TARGET_ACT_MS:g})",
            flush=True,
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shapes", nargs="+", default=["16x16", "50x50"], help="sequences x steps")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", help="also write the numbers here")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rates = {str(d).removeprefix("torch."): matrix_rate(d) for d in (torch.float32, torch.bfloat16)}
    print(
        "matrix product:",
        ", ".join(f"{k} {v:.0f}·10⁹ multiplications/s" for k, v in rates.items()),
        flush=True,
    )
    result = {
        "machine": platform.processor() or platform.machine(),
        "threads": options.threads,
        "torch": torch.__version__,
        "matrix_rates": rates,
        "acting_ms": measure_acting(50),
        "updates": measure_updates(options.shapes, options.rounds),
    }
    if options.json:
        with open(options.json, "w") as f:
            json.dump(result, f, indent=1)


if __name__ == "__main__":
    main()
