"""How fast everything is on this machine: `make bench`. One table, one JSON file.

    python -m benchmarks.speed [--quick] [--only SECTION …] [--device cuda] [--json FILE]

- environment: agent steps/s of every task, standard and natural, ÷ dm_control's own 64×64 render.
- vector: natural WalkerWalk on 1 … 2 × cores workers ÷ one environment without workers.
- update: seconds of one whole update of Dreamer, CVRL and SAC (B·T transitions) with the paper's sizes: the plain path,
  the fast one and, on a GPU, the recorded one, in float32 and bfloat16.
- floor: what arithmetic and memory of those updates take at the measured rates of this machine.
- replay: milliseconds to draw a batch. acting: milliseconds for one action, with and without MPC.
- training: control steps/s of short runs from beginning to end, and the share of each part.

Every line gives the median within this run, and minimum and maximum where they are known. Lines that are not measured
now stay in FILE as they are, provided that it is from the same machine.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from agents.agent import choose_device
from benchmarks.measuring.environments import task_rows, vector_rows
from benchmarks.measuring.floor import floor_rows
from benchmarks.measuring.learning import acting_rows, replay_rows, update_rows
from benchmarks.measuring.timing import HEADER, Row, machine
from benchmarks.measuring.training import training_rows
from natural_mujoco import TASKS

SECTIONS = ("environment", "vector", "update", "floor", "replay", "acting", "training")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="two tasks, 16x16 alone, a minute or two in all")
    parser.add_argument("--tasks", nargs="+", default=[task.name for task in TASKS.values()])
    parser.add_argument("--agents", nargs="+", default=["dreamer", "cvrl", "sac"])
    parser.add_argument("--shapes", nargs="+", default=["16x16", "50x50"], help="sequences x steps")
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0, help="of PyTorch; default: its own choice")
    parser.add_argument("--budget", type=float, default=2.0, help="seconds of measuring for a line")
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    options = parser.parse_args()
    if options.quick:
        options.tasks, options.shapes, options.budget = options.tasks[:2], options.shapes[:1], 0.5
    return options


def training_runs(gpu: bool) -> list[tuple[str, str, int, dict[str, Any]]]:
    """(agent, preset, prefill, settings); the paper's preset on a GPU alone, where it takes seconds and not hours."""
    runs: list[tuple[str, str, int, dict[str, Any]]] = [
        ("cvrl", "laptop", 400, {}),
        ("dreamer", "laptop", 400, {}),
    ]
    if gpu:
        runs += [("cvrl", "paper", 2000, {}), ("dreamer", "paper", 2000, {})]
    return runs


def measure(options: argparse.Namespace, device: torch.device, known: list[Row]) -> Iterator[Row]:
    """The rows of the sections asked for, as they come."""
    rounds = 1 if options.quick else 2
    gpu, updates = device.type == "cuda", [row for row in known if row.section == "update"]
    if "environment" in options.only:
        yield from task_rows(options.tasks, rounds)
    if "vector" in options.only:
        yield from vector_rows(rounds)
    if "update" in options.only:
        updates = []
        for row in update_rows(options.agents, options.shapes, options.precisions, device, options.budget):
            updates.append(row)
            yield row
    if "floor" in options.only:
        yield from floor_rows(updates, device)
    if "replay" in options.only:
        yield from replay_rows(options.shapes, device, options.budget / 4)
    if "acting" in options.only:
        yield from acting_rows([1, 8, 16], device, options.budget / 2)
    if "training" in options.only:
        num_envs = 16 if gpu else min(4, 2 * (os.cpu_count() or 1))
        steps = 2000 if gpu else 800
        yield from training_rows(
            training_runs(gpu), options.device, num_envs, steps // 2 if options.quick else steps
        )


def main() -> None:
    options = arguments()
    device = choose_device(options.device)
    if options.threads:
        torch.set_num_threads(options.threads)
    here, kept = machine(device), list[Row]()
    if options.json.exists():
        before = json.loads(options.json.read_text())
        if before["machine"] == here:
            kept = [Row(**row) for row in before["rows"]]
    print(", ".join(f"{name} {value}" for name, value in here.items()))
    print(HEADER, flush=True)
    start, rows = time.perf_counter(), []
    for row in measure(options, device, kept):
        print(row.line(), flush=True)
        rows.append(row)
    seconds = time.perf_counter() - start
    newest = {(row.section, row.what): row for row in [*kept, *rows]}
    rows = sorted(newest.values(), key=lambda row: SECTIONS.index(row.section))
    options.json.write_text(
        json.dumps(
            {"machine": here, "seconds": seconds, "rows": [dataclasses.asdict(r) for r in rows]}, indent=1
        )
    )
    print(f"{seconds:.0f} s; written to {options.json}")


if __name__ == "__main__":
    main()
