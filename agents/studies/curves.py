"""Learning curves of runs beside the blind baselines: `python -m agents.curves RUN_DIR … --out NAME`.

Writes NAME.json, the returns of every evaluation episode, and NAME.png. `zero` and `random` play the same episodes with
the same action repeat. All runs must be of one task, variant and action repeat.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import matplotlib
import numpy as np
from pydantic import BaseModel, Field, ValidationError

from natural_mujoco import InvalidArgument, NaturalMujocoError, files
from natural_mujoco.cli import exit_status
from natural_mujoco.evaluation.curves import Setting
from natural_mujoco.evaluation.fields import Return, Steps
from natural_mujoco.evaluation.protocol import Policy, RandomPolicy, ZeroPolicy

from ..table import agent_name
from ..training.collection import make_environments
from ..training.config import RunConfig
from ..training.evaluation import evaluate, evaluation_setting
from ..training.run_folder import read_config

matplotlib.use("Agg")
import matplotlib.pyplot as plt


class _Evaluation(BaseModel):
    """A line of evaluations.jsonl."""

    control_steps: Steps
    return_: Annotated[Return, Field(alias="return")]
    setting: Setting | None = None


class _Metrics(BaseModel):
    """The fields of a line of metrics.jsonl that tell the time."""

    control_steps: Steps
    seconds: Annotated[float | None, Field(alias="train/seconds", ge=0)] = None
    updates: Annotated[Steps | None, Field(alias="train/updates")] = None


# Values of a diverging loss in metrics.jsonl: not valid JSON, and not needed here.
_NOT_FINITE = re.compile(rb"NaN|-?Infinity")
LineT = TypeVar("LineT", bound=BaseModel)


def read_lines(path: Path, kind: type[LineT]) -> list[LineT]:
    """The records of a .jsonl file. The last line is left out if it is incomplete, as in a run that is being written.

    Raises NaturalMujocoError, which names the file, line and field, for anything that a run does not write, and
    `FileNotFoundError`.
    """
    *whole, _ = files.read_bytes(path, 2**30).split(b"\n")
    records = []
    for number, line in enumerate(whole, 1):
        where = f"{path}, line {number}"
        try:
            records.append(kind.model_validate(files.parse_json(_NOT_FINITE.sub(b"null", line), where)))
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            raise NaturalMujocoError(
                f"{where}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}."
            ) from error
    return records


def read_curve(run: Path, config: RunConfig) -> dict[str, Any]:
    """One run's evaluations: control steps, minutes of training up to them, and the returns of every episode.

    Raises NaturalMujocoError for a run without evaluations, or with evaluations in different settings.
    """
    try:
        evaluations = read_lines(run / "evaluations.jsonl", _Evaluation)
    except FileNotFoundError:
        raise InvalidArgument(f"{run} has no evaluations yet.") from None
    returns: dict[int, list[float]] = defaultdict(list)
    for line in evaluations:
        returns[line.control_steps].append(line.return_)
    settings = {line.setting.model_dump_json(): line.setting for line in evaluations if line.setting}
    if len(settings) > 1:
        raise InvalidArgument(f"{run} evaluated itself in more than one way: {', '.join(settings)}.")
    clock = _clock(run / "metrics.jsonl")
    steps = sorted(returns)
    ablation = getattr(config, "ablation", "none")
    return {
        "agent": agent_name(config) if ablation == "none" else f"{agent_name(config)}-{ablation}",
        "preset": config.preset,
        "seed": config.seed,
        "setting": next(iter(settings.values())).model_dump(mode="json") if settings else None,
        "steps": steps,
        "minutes": [_at(clock, step, 1) / 60 for step in steps],
        "updates": [int(_at(clock, step, 2)) for step in steps],
        "returns": [returns[step] for step in steps],
    }


def _clock(path: Path) -> list[tuple[float, ...]]:
    """(control steps, seconds, updates) of every line of metrics that has them."""
    if not path.exists():
        return []
    lines = read_lines(path, _Metrics)
    return [
        (m.control_steps, m.seconds, m.updates)
        for m in lines
        if m.seconds is not None and m.updates is not None
    ]


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
        name: [e.return_ for e in evaluate(policy, config, episodes)[0]] for name, policy in policies.items()
    }


def collect(runs: Sequence[Path], episodes: int) -> dict[str, Any]:
    """The content of NAME.json. Raises InvalidArgument for runs that cannot be shown in one picture."""
    configs = [read_config(run) for run in runs]
    curves = [read_curve(run, config) for run, config in zip(runs, configs, strict=True)]
    # Runs of earlier versions did not record how they were evaluated; their settings tell it.
    # What concerns training alone may differ.
    kinds = {
        (
            c.task,
            c.variant,
            c.videos if _natural(c) else None,
            replace(c.environment, shared_background=False, num_videos=None),
        )
        for c in configs
    }
    here = evaluation_setting(configs[0])
    settings = {json.dumps(curve["setting"]) for curve in curves if curve["setting"]}
    if len(kinds) != 1 or len(settings) > 1:
        raise InvalidArgument(
            f"These runs differ in task, variant, action repeat, videos, matte or the like: "
            f"{'; '.join(sorted(map(str, kinds if len(kinds) > 1 else settings)))}."
        )
    if settings and settings != {json.dumps(here.model_dump(mode="json"))}:
        raise InvalidArgument(
            f"The videos {configs[0].videos} here are not those that the runs were evaluated on: zero and random "
            "cannot be played beside them."
        )
    task, variant, videos, environment = kinds.pop()
    return {
        "task": task,
        "variant": variant,
        "condition": "natural-test" if variant == "natural" else "standard",
        "videos": videos,
        "action_repeat": environment.action_repeat,
        "setting": here.model_dump(mode="json"),
        "references": references(configs[0], episodes),
        "runs": curves,
    }


def _natural(config: RunConfig) -> bool:
    """Whether there are videos behind the robot."""
    return config.variant == "natural"


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


def _require_curves(path: Path) -> None:
    """Raises InvalidArgument if a file at `path` was not written by this command."""
    try:
        found = files.read_json(path)
    except FileNotFoundError:
        return
    except NaturalMujocoError:
        found = None
    if not isinstance(found, dict) or not {"task", "references", "runs"} <= set(found):
        raise InvalidArgument(f"{path} holds something else than learning curves: give another --out.")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m agents.curves", description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_DIR")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="NAME", help="writes NAME.json and NAME.png"
    )
    parser.add_argument("--episodes", type=int, default=10, help="episodes of the zero and random policies")
    options = parser.parse_args(arguments)
    return exit_status("agents.curves", lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    text, picture = options.out.with_suffix(".json"), options.out.with_suffix(".png")
    _require_curves(text)
    data = collect(options.runs, options.episodes)
    files.write_json(text, data, indent=1)
    plot(data, picture)
    for name, returns in data["references"].items():
        print(f"{name:24} {np.mean(returns):7.1f}")
    for run in data["runs"]:
        label = f"{run['agent']} seed {run['seed']}"
        print(f"{label:24} {np.mean(run['returns'][-1]):7.1f} at {run['steps'][-1]:,} control steps")
    return 0
