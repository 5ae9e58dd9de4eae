"""The learning ladder: what a change to an agent is worth, before days are spent on it.

    python -m benchmarks.ladder --name before
    python -m benchmarks.ladder --name after -- --sac.weight 0.3
    python -m benchmarks.ladder --table before after

Rungs on three tasks in front of video, a small robot, a large one and a sparse reward, each with two seeds:

- `probe` (ten minutes a model on a core): what a world model knows of the robot, on held-out and on training videos;
- `100k` (ten minutes for CVRL; only where `--rungs` names it): control steps of training, then ten episodes on either
  half of the videos;
- `500k` (a quarter of an hour for PPO, three for CVRL), `2M`: the same run carried on.

What follows `--` goes to every training run. Two single-threaded runs at a time; the same command goes on where it was
stopped, and `--minutes` stops it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents.studies.pursuit import STOPPED, Step, Work, pursue, python
from agents.table import AGENTS

ROOT = Path(__file__).parents[1]
TASKS = ("cartpole-swingup", "walker-walk", "finger-spin")
RUNGS = {"100k": 100_000, "500k": 500_000, "2M": 2_000_000}
CONDITIONS = ("natural-train", "natural-test")
EPISODES = 10


def training_work(folder: Path, agent: str, task: str, seed: int, rung: str, flags: Sequence[str]) -> Work:
    """Train to a rung in the run directory of all rungs, and play ten episodes on either half of the videos."""
    run = folder / f"{agent}-{task}-{seed}"
    train = [
        python(),
        "-m",
        f"agents.{agent}",
        "--task",
        task,
        "--variant",
        "natural",
        "--videos",
        "embedded",
    ]
    train += ["--seed", str(seed), "--threads", "1", "--preset", "laptop", "--steps", str(RUNGS[rung])]
    train += ["--training.evaluate-every", "100000", "--logdir", str(run)]
    if agent in ("ppo", "distil"):  # one schedule for all rungs, or the last one would go on at another rate
        train += ["--anneal-steps", str(max(RUNGS.values()))]
    out = folder / f"{run.name}-{rung}.json"
    evaluate = [python(), "-m", "natural_mujoco", "evaluate", "--policy", str(run), "--videos", "embedded"]
    evaluate += [
        "--conditions",
        *CONDITIONS,
        "--episodes",
        str(EPISODES),
        "--workers",
        "1",
        "--out",
        str(out),
    ]
    return Work(f"{run.name} {rung}", run, ROOT, [Step([*train, *flags]), Step(evaluate)])


def probe_work(folder: Path, task: str, seeds: Sequence[int]) -> Work:
    """The probe of CVRL's world model and the generative one."""
    probe = [python(), "-m", "agents.probe", "--task", task, "--models", "cvrl", "generative"]
    probe += ["--variants", "natural", "--videos", "embedded", "--seeds", *map(str, seeds), "--threads", "1"]
    return Work(f"probe {task}", folder, ROOT, [Step([*probe, "--out", str(folder / "probe")])])


def done(folder: Path, agent: str, task: str, seed: int, rung: str) -> bool:
    """Whether a rung's evaluation is whole."""
    try:
        record = json.loads((folder / f"{agent}-{task}-{seed}-{rung}.json").read_text())
    except (OSError, ValueError):
        return False
    return len(record["episodes"]) == EPISODES * len(CONDITIONS)


def returns_of(path: Path) -> dict[str, float]:
    """Mean return by condition of an evaluation."""
    by_condition: dict[str, list[float]] = defaultdict(list)
    for episode in json.loads(path.read_text())["episodes"]:
        by_condition[episode["condition"]].append(episode["return"])
    return {condition: float(np.mean(returns)) for condition, returns in by_condition.items()}


def rows(folder: Path) -> list[dict[str, Any]]:
    """What has been measured under one name: for each agent, task and rung the means over seeds."""
    measured: dict[tuple[str, str, str], list[dict[str, float]]] = defaultdict(list)
    for path in sorted(folder.glob("*-*.json")):
        *_, rung = path.stem.split("-")
        run = path.stem.removesuffix(f"-{rung}")
        task = next((t for t in TASKS if f"-{t}-" in run), None)
        if rung not in RUNGS or task is None:
            continue
        agent = run.split(f"-{task}-")[0]
        returns = returns_of(path)
        if set(returns) == set(CONDITIONS):
            measured[agent, task, rung].append(returns | _cost(folder / run, RUNGS[rung]))
    table = []
    for (agent, task, rung), runs in measured.items():
        means = {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}
        spread = float(np.ptp([run["natural-test"] for run in runs]))
        table.append(
            {"agent": agent, "task": task, "rung": rung, "seeds": len(runs), "spread": spread} | means
        )
    for path in sorted((folder / "probe").glob("*.json")):
        table += _probe_rows(json.loads(path.read_text()))
    return table


def _cost(run: Path, steps: int) -> dict[str, float]:
    """Minutes and updates that a run took to get to `steps`."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    until = [m for m in lines if "train/seconds" in m and m["control_steps"] <= steps * 1.01]
    return (
        {"minutes": until[-1]["train/seconds"] / 60, "updates": until[-1]["train/updates"]} if until else {}
    )


def _probe_rows(data: dict[str, Any]) -> list[dict[str, Any]]:
    by_model: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for result in data["results"]:
        by_model[result["model"]].append(result["probes"][-1])
    return [
        {
            "agent": model,
            "task": data["task"],
            "rung": "probe",
            "seeds": len(last),
            "natural-train": float(np.mean([p["r2_train_videos"]["features"]["mean"] for p in last])),
            "natural-test": float(np.mean([p["r2"]["features"]["mean"] for p in last])),
            "spread": float(np.ptp([p["r2"]["features"]["mean"] for p in last])),
            "minutes": float(np.mean([p["seconds"] for p in last])) / 60,
            "updates": float(last[0]["update"]),
        }
        for model, last in by_model.items()
    ]


def print_table(root: Path, names: Sequence[str]) -> None:
    """Every rung under every name, one line each; the spread is from the lowest to the highest seed."""
    print(
        f"{'name':20} {'agent':11} {'task':17} {'rung':6} {'seeds':>5} {'training':>9} {'held-out':>9} {'spread':>7} "
        f"{'updates':>8} {'minutes':>8}"
    )
    lines = [
        (row["task"], row["rung"], row["agent"], name, row) for name in names for row in rows(root / name)
    ]
    order = ("probe", *RUNGS)
    for task, rung, agent, name, row in sorted(
        lines, key=lambda line: (line[0], order.index(line[1]), line[2])
    ):
        digits = 2 if rung == "probe" else 0
        print(
            f"{name:20} {agent:11} {task:17} {rung:6} {row['seeds']:5} {row['natural-train']:9.{digits}f} "
            f"{row['natural-test']:9.{digits}f} {row['spread']:7.{digits}f} {row.get('updates', 0):8.0f} "
            f"{row.get('minutes', 0):8.0f}"
        )


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line; what follows `--` is `flags`."""
    own, flags = list(arguments), []
    if "--" in own:
        cut = own.index("--")
        own, flags = own[:cut], own[cut + 1 :]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ladder",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--name", default="now", help="what these measurements are called")
    parser.add_argument("--agents", nargs="+", default=["cvrl"], choices=list(AGENTS))
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--rungs", nargs="+", default=["probe", "500k"], choices=["probe", *RUNGS])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--minutes", type=float, help="save and stop after this time")
    parser.add_argument("--folder", type=Path, default=Path("runs/ladder"))
    parser.add_argument(
        "--table", nargs="+", metavar="NAME", help="print what was measured under these names"
    )
    options = parser.parse_args(own)
    options.flags = flags
    return options


def works(options: argparse.Namespace, rung: str) -> list[Work]:
    """What a rung lacks."""
    folder = options.folder.resolve() / options.name
    if rung == "probe":
        return [probe_work(folder, task, options.seeds) for task in options.tasks]
    return [
        training_work(folder, agent, task, seed, rung, options.flags)
        for seed in options.seeds
        for task in options.tasks
        for agent in options.agents
        if not done(folder, agent, task, seed, rung)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    if options.table:
        print_table(options.folder, options.table)
        return 0

    def tell(work: Work, status: int) -> None:
        print(
            f"{work.name}: {'done' if status == 0 else f'failed, see {work.folder}/output.log'}", flush=True
        )

    began, failed = time.monotonic(), False
    # One rung after the other: the lowest says soonest what a change is worth, and the next goes on with its runs.
    for rung in [r for r in ("probe", *RUNGS) if r in options.rungs]:
        left = None if options.minutes is None else options.minutes - (time.monotonic() - began) / 60
        statuses = pursue(works(options, rung), options.parallel, tell, left).values()
        failed |= any(status not in (0, STOPPED) for status in statuses)
        if STOPPED in statuses:
            print("Stopped; every run has saved. The same command goes on.", flush=True)
            break
    print_table(options.folder, [options.name])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
