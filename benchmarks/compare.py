"""Warm steps of this checkout ÷ those of another one, by turns within one run.

    git worktree add /tmp/before TAG
    python -m benchmarks.compare /tmp/before [--tasks walker-walk …] [--variant standard] [--rounds 15] [--json FILE]

Each side steps one environment through the same episodes in a process of its own, and the two take turns. `wall` is
the median of the rounds' ratios of steps/s, `processor` the same by processor time, which other programs disturb less.
Both use one cache, whose embedded clips are prepared first.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]

# Written for any version of the package: it may use nothing that is not in all of them.
SIDE = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import gymnasium as gym, numpy as np, natural_mujoco
env_id, steps = sys.argv[1], int(sys.argv[2])
env = gym.make(env_id, **({} if "Standard" in env_id else {"videos": "embedded"}))
actions = np.random.default_rng(0).uniform(-1, 1, (steps, *env.action_space.shape)).astype(np.float32)
for line in sys.stdin:
    env.reset(seed=int(line), **({} if "Standard" in env_id else {"options": {"frame": 0}}))
    wall, processor = time.perf_counter(), time.process_time()
    for action in actions:
        observation, *_ = env.step(action)
    times = [time.perf_counter() - wall, time.process_time() - processor]
    print(json.dumps(times + [int(observation.astype(np.int64).sum())]), flush=True)
"""


class Side:
    """One checkout's environment."""

    def __init__(self, checkout: Path, env_id: str, steps: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SIDE, env_id, str(steps)],
            env={**os.environ, "PYTHONPATH": str(checkout)},
            cwd=checkout,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def measure(self, seed: int) -> tuple[float, float, int]:
        """Wall-clock and processor seconds of the steps after `reset(seed=seed)`, and the last picture's sum."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(seed, file=self.process.stdin, flush=True)
        wall, processor, checksum = json.loads(self.process.stdout.readline())
        return wall, processor, checksum

    def stop(self) -> None:
        """Ends the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def compare(other: Path, env_id: str, rounds: int, steps: int) -> dict[str, Any]:
    """Median ratios for one id, this checkout's speed ÷ the `other`'s."""
    sides = Side(HERE, env_id, steps), Side(other, env_id, steps)
    for side in sides:
        side.measure(0)
    ratios: dict[str, list[float]] = {"wall": [], "processor": []}
    rates: tuple[list[float], list[float]] = ([], [])
    same = True
    for seed in range(rounds):
        measured = [side.measure(seed) for side in (sides if seed % 2 else sides[::-1])]
        ours, theirs = measured if seed % 2 else measured[::-1]
        ratios["wall"].append(theirs[0] / ours[0])
        ratios["processor"].append(theirs[1] / ours[1])
        rates[0].append(steps / ours[0])
        rates[1].append(steps / theirs[0])
        same &= ours[2] == theirs[2]
    for side in sides:
        side.stop()
    here, there = (statistics.median(rate) for rate in rates)
    medians = {clock: statistics.median(values) for clock, values in ratios.items()}
    return {"here": here, "there": there, **medians, "same_pixels": same}


def main() -> None:
    """Prints a line a task and the geometric means."""
    from benchmarks.environment import prepare_clips
    from natural_mujoco import TASKS, find_task

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=Path, help="the other checkout")
    parser.add_argument("--tasks", nargs="*", default=[task.name for task in TASKS.values()])
    parser.add_argument("--variant", choices=("natural", "standard"), default="natural")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=300, help="agent steps a turn")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    args = parser.parse_args()

    prepare_clips()
    print(f"{'task':18} {'here':>8} {'there':>8} {'':7}  {'wall':>6} {'processor':>10}  pixels")
    figures = {}
    for name in args.tasks:
        task = find_task(name)
        env_id = task.natural_id if args.variant == "natural" else task.standard_id
        row = compare(args.other.resolve(), env_id, args.rounds, args.steps)
        figures[name] = row
        rates = f"{row['here']:8.0f} {row['there']:8.0f} steps/s"
        pixels = "the same" if row["same_pixels"] else "DIFFERENT"
        print(f"{name:18} {rates}  {row['wall']:6.3f} {row['processor']:10.3f}  {pixels}", flush=True)
    wall, processor = (
        statistics.geometric_mean(row[clock] for row in figures.values()) for clock in ("wall", "processor")
    )
    print(f"geometric mean of the ratios: {wall:.3f} by the wall clock, {processor:.3f} by processor time")
    if args.json:
        args.json.write_text(json.dumps({"tasks": figures, "wall": wall, "processor": processor}, indent=1))


if __name__ == "__main__":
    main()
