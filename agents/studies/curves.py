"""Learning curves of runs beside the policies that do not look: `python -m agents.curves RUN_DIR … --out NAME`.

Writes NAME.json, the returns of every evaluation episode, and NAME.png. `zero` and `random` play the same episodes with
the same action repeat. All runs must be of one task, variant and action repeat.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from natural_mujoco import InvalidArgument, NaturalMujocoError
from natural_mujoco.evaluation.protocol import Policy, RandomPolicy, ZeroPolicy

from ..table import agent_name
from ..training.collection import make_environments
from ..training.config import RunConfig
from ..training.evaluation import evaluate
from ..training.loading import read_config

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a .jsonl file; the last line of a run that is being written may be half there and is left out."""
    records = []
    for line in path.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records


def read_curve(run: Path, config: RunConfig) -> dict[str, Any]:
    """One run's evaluations: control steps, minutes of training until then, and the returns of every episode."""
    if not (run / "evaluations.jsonl").exists():
        raise InvalidArgument(f"{run} has no evaluations yet.")
    returns: dict[int, list[float]] = defaultdict(list)
    for record in read_lines(run / "evaluations.jsonl"):
        returns[record["control_steps"]].append(record["return"])
    clock = [(m["control_steps"], m["train/seconds"], m["train/updates"]) for m in _timed(run)]
    steps = sorted(returns)
    ablation = getattr(config, "ablation", "none")
    return {
        "agent": agent_name(config) if ablation == "none" else f"{agent_name(config)}-{ablation}",
        "preset": config.preset,
        "seed": config.seed,
        "steps": steps,
        "minutes": [_at(clock, step, 1) / 60 for step in steps],
        "updates": [int(_at(clock, step, 2)) for step in steps],
        "returns": [returns[step] for step in steps],
    }


def _timed(run: Path) -> list[dict[str, Any]]:
    path = run / "metrics.jsonl"
    return [m for m in read_lines(path) if "train/seconds" in m] if path.exists() else []


def _at(clock: Sequence[tuple[float, ...]], step: int, column: int) -> float:
    """The last value before or at `step`."""
    return max((row[column] for row in clock if row[0] <= step), default=0.0)


def references(config: RunConfig, episodes: int) -> dict[str, list[float]]:
    """Returns of `zero` and `random` on the evaluation's episodes, at the run's action repeat."""
    envs = make_environments(config, 1, split="test")
    assert envs.single_action_space.shape is not None
    size = envs.single_action_space.shape[0]
    envs.close()
    policies: dict[str, Policy] = {"zero": ZeroPolicy(size), "random": RandomPolicy(size)}
    return {
        name: [e.episode_return for e in evaluate(policy, config, episodes)[0]]
        for name, policy in policies.items()
    }


def collect(runs: Sequence[Path], episodes: int) -> dict[str, Any]:
    """What NAME.json holds. Raises InvalidArgument for runs that cannot share one picture."""
    configs = [read_config(run) for run in runs]
    kinds = {(c.task, c.variant, c.environment.action_repeat, c.videos) for c in configs}
    if len(kinds) != 1:
        raise InvalidArgument(
            f"These runs differ in task, variant, action repeat or videos: {sorted(map(str, kinds))}."
        )
    task, variant, action_repeat, videos = kinds.pop()
    return {
        "task": task,
        "variant": variant,
        "condition": "natural-test" if variant == "natural" else "standard",
        "videos": videos if variant == "natural" else None,
        "action_repeat": action_repeat,
        "references": references(configs[0], episodes),
        "runs": [read_curve(run, config) for run, config in zip(runs, configs, strict=True)],
    }


def plot(data: dict[str, Any], path: Path) -> None:
    """Mean return over control steps; a thin line for each seed, a thick one for their mean, dashes for references."""
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    by_agent: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in data["runs"]:
        by_agent[run["agent"]].append(run)
    for colour, (agent, runs) in zip(
        plt.rcParams["axes.prop_cycle"].by_key()["color"], by_agent.items(), strict=False
    ):
        for run in runs:
            axes.plot(
                run["steps"], [np.mean(r) for r in run["returns"]], color=colour, alpha=0.4, linewidth=1
            )
        shared = sorted(set.intersection(*(set(run["steps"]) for run in runs)))
        means = [np.mean([np.mean(run["returns"][run["steps"].index(s)]) for run in runs]) for s in shared]
        axes.plot(shared, means, "o-", color=colour, markersize=3, label=f"{agent} ({len(runs)} seed(s))")
    for style, (name, returns) in zip(("--", ":"), data["references"].items(), strict=True):
        axes.axhline(np.mean(returns), color="black", linestyle=style, linewidth=1, label=name)
    axes.set(
        xlabel="control steps",
        ylabel=f"return, {data['condition']}",
        title=f"{data['task']}, {data['variant']}",
    )
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m agents.curves", description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_DIR")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="NAME", help="writes NAME.json and NAME.png"
    )
    parser.add_argument("--episodes", type=int, default=10, help="of the zero and random policies")
    options = parser.parse_args(arguments)
    try:
        data = collect(options.runs, options.episodes)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n")
        plot(data, options.out.with_suffix(".png"))
    except NaturalMujocoError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InvalidArgument) else 1
    for name, returns in data["references"].items():
        print(f"{name:24} {np.mean(returns):7.1f}")
    for run in data["runs"]:
        label = f"{run['agent']} seed {run['seed']}"
        print(f"{label:24} {np.mean(run['returns'][-1]):7.1f} at {run['steps'][-1]:,} control steps")
    return 0
