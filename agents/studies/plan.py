"""Trains and evaluates the runs of a plan file: `python -m agents.plan results/plan.toml`.

A plan lists groups of runs in order of priority. Each run is trained and evaluated by the protocol, and its results are
written beside the plan when it ends:

- `ENTRY.json`: the records and curves of all finished runs of an entry, as `natural-mujoco evaluate` writes them;
- `runs/ENTRY-TASK-SEED.json`: that run's command, commit, hours and evaluations.

A run always uses the code of the commit with which it began, even if the checkout changes. Rerun the command to resume.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from natural_mujoco import InvalidArgument, NaturalMujocoError, files, find_task

from ..agent import choose_device, choose_precision
from ..table import AGENTS
from ..training.command_line import parse
from ..training.config import Ablation, Variant
from ..training.run_folder import read_config
from .curves import read_curve, read_lines
from .pursuit import STOPPED, Step, Work, commit_of, frozen_code, pursue, python

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_KEPT_REPLAY = 500_000_000  # bytes


class Group(BaseModel):
    """Runs that differ only in task and seed."""

    model_config = ConfigDict(extra="forbid")
    name: str
    entry: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    """Name of the entry in records, and of its results file."""
    agent: str
    ablation: Ablation = "none"
    variant: Variant = "natural"
    tasks: list[str]
    seeds: list[int] = [0]
    steps: int = Field(gt=0)
    """Control steps of each run."""
    evaluations: int = Field(default=20, gt=0)
    """Number of evaluations on held-out videos during training."""
    flags: list[str] = []
    series: str | None = None
    """Series of the entry; entries of one series differ only in the number of training videos, and form one curve."""


class Plan(BaseModel):
    """A plan file."""

    model_config = ConfigDict(extra="forbid")
    videos: str = "embedded"
    episodes: int = Field(default=10, gt=0)
    """Episodes per condition in the evaluation at the end."""
    parallel: int = Field(default=2, gt=0)
    groups: list[Group]


class _Metrics(BaseModel):
    """The fields of a line of metrics.jsonl that are needed here."""

    control_steps: int


@dataclass(frozen=True)
class PlannedRun:
    """One run of a plan."""

    group: Group
    task: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.group.entry}-{self.task}-{self.seed}"

    def flags(self, plan: Plan) -> list[str]:
        """The arguments of `python -m agents.AGENT`, without the logdir."""
        g = self.group
        flags = ["--task", self.task, "--variant", g.variant, "--seed", str(self.seed), *g.flags]
        flags += ["--steps", str(g.steps), "--threads", "1", "--device", "cpu"]
        flags += ["--training.evaluate-every", str(max(1, g.steps // g.evaluations))]
        if g.variant == "natural":
            flags += ["--videos", plan.videos]
        return flags + (["--ablation", g.ablation] if g.ablation != "none" else [])


def read_plan(path: Path) -> Plan:
    """Reads a plan file and checks each group with its agent's command line. Raises InvalidArgument."""
    try:
        plan = Plan.model_validate(tomllib.loads(path.read_text()))
    except OSError as error:
        raise InvalidArgument(f"Cannot read the plan {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        where = error.errors()[0] if isinstance(error, ValidationError) else None
        what = f"{'.'.join(map(str, where['loc']))}: {where['msg']}" if where else str(error)
        raise InvalidArgument(f"{path} is no plan: {what}.") from error
    for group in plan.groups:
        if group.agent not in AGENTS:
            raise InvalidArgument(
                f"Group {group.name} of {path}: unknown agent {group.agent!r}. Valid: {', '.join(AGENTS)}."
            )
        for run in list(_runs_of(group))[:1]:  # the others differ in task and seed alone
            try:
                parse(group.agent, run.flags(plan))
            except SystemExit as error:
                raise InvalidArgument(
                    f"Group {group.name} of {path}: `python -m agents.{group.agent}` does not take its flags."
                ) from error
    names = [run.name for run in planned_runs(plan)]
    twins = {name for name in names if names.count(name) > 1}
    if twins:
        raise InvalidArgument(
            f"{path} plans {', '.join(sorted(twins))} more than once: give one another entry."
        )
    return plan


def _runs_of(group: Group) -> Iterator[PlannedRun]:
    for seed in group.seeds:
        for task in group.tasks:
            yield PlannedRun(group, find_task(task).name, seed)


def planned_runs(plan: Plan) -> list[PlannedRun]:
    """All runs of a plan, in order of priority."""
    return [run for group in plan.groups for run in _runs_of(group)]


class Book:
    """The state of a plan: which runs are done, and how the others are done.

    Args:
        path: the plan file; results are written beside it.
        checkout: a checkout of the repository.
        runs: the folder for run directories and for the code of their commits.
    """

    def __init__(self, path: Path, checkout: Path, runs: Path) -> None:
        self.plan, self.results = read_plan(path), path.resolve().parent
        self.checkout, self.runs = checkout.resolve(), runs.resolve()

    def card(self, run: PlannedRun) -> Path:
        return self.results / "runs" / f"{run.name}.json"

    def state(self, run: PlannedRun) -> Literal["done", "begun", "missing"]:
        if self.card(run).exists():
            return "done"
        return "begun" if (self.runs / run.name / "config.json").exists() else "missing"

    def line(self, run: PlannedRun) -> str:
        """A line for people that says how far a run has come."""
        state = self.state(run)
        if state == "done":
            curve = json.loads(self.card(run).read_text())["curve"]
            last = curve["returns"][-1]
            return f"done     {run.name:45} {sum(last) / len(last):7.1f} at {curve['steps'][-1]:,}"
        progress = ""
        metrics = self.runs / run.name / "metrics.jsonl"
        if state == "begun" and metrics.exists():
            lines = read_lines(metrics, _Metrics)
            progress = f"{lines[-1].control_steps:,} of {run.group.steps:,}" if lines else ""
        return f"{state:8} {run.name:45} {progress}"

    def work(self, run: PlannedRun, commit: str) -> Work:
        """Trains, evaluates and records `run`, with the code of `commit` unless it has begun with another."""
        folder = self.runs / run.name
        # Beside the run's folder, since a run refuses a folder with other files; older versions wrote it inside.
        note, before = self.runs / f"{run.name}.commit", folder / "commit"
        found = next((path for path in (note, before) if path.exists()), None)
        if found is not None:
            commit = found.read_text().strip()
        code = frozen_code(self.checkout, commit, self.runs / "code")
        note.write_text(commit + "\n")
        flags = run.flags(self.plan)
        train = [python(), "-m", f"agents.{run.group.agent}", *flags, "--logdir", str(folder)]
        evaluate = [python(), "-m", "natural_mujoco", "evaluate", "--policy", str(folder)]
        evaluate += ["--entry", run.group.entry, "--out", str(self.results / f"{run.group.entry}.json")]
        evaluate += ["--videos", self.plan.videos, "--episodes", str(self.plan.episodes), "--workers", "1"]
        if run.group.series is not None:
            evaluate += ["--series", run.group.series]
        return Work(
            run.name,
            folder,
            code,
            [Step(train), Step(evaluate, alone=True)],
            lambda: self.write_down(run, commit, f"python -m agents.{run.group.agent} {' '.join(flags)}"),
        )

    def write_down(self, run: PlannedRun, commit: str, command: str) -> None:
        """Writes the card of a finished run."""
        folder = self.runs / run.name
        config = read_config(folder)
        curve = read_curve(folder, config)
        card: dict[str, Any] = {
            "entry": run.group.entry,
            "group": run.group.name,
            "task": run.task,
            "variant": run.group.variant,
            "seed": run.seed,
            "command": command,
            "commit": commit,
            "hours": round(max(curve["minutes"], default=0) / 60, 2),
            "machine": f"{platform.machine()}, Python {platform.python_version()}",
            # By default that of the processor's hardware, so that the same command gives other digits on another kind.
            "precision": choose_precision(config.training.precision, choose_device(config.device)),
            "curve": curve,
        }
        path = self.card(run)
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(path, card, indent=1)
        # A replay of six gigabytes is not needed any more, and there are a hundred runs. PPO's small replay is kept, so
        # that the run can be continued with more steps.
        replay = folder / "replay"
        if sum(file.stat().st_size for file in replay.glob("*")) > _KEPT_REPLAY:
            shutil.rmtree(replay, ignore_errors=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 1 if a run failed."""
    parser = argparse.ArgumentParser(
        prog="python -m agents.plan",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plan", type=Path, help="the plan file; results are written beside it")
    parser.add_argument("--runs", type=Path, default=Path("runs/plan"), help="folder for the run directories")
    parser.add_argument("--groups", nargs="+", metavar="NAME", help="only these groups")
    parser.add_argument(
        "--status", action="store_true", help="print what is done and what is missing, and exit"
    )
    parser.add_argument("--minutes", type=float, help="save and stop after this time")
    parser.add_argument("--parallel", type=int, metavar="N", help="runs at a time, instead of the plan's")
    options = parser.parse_args(arguments)
    if options.parallel is not None and options.parallel < 1:
        parser.error("--parallel must be at least 1")
    try:
        book = Book(options.plan, Path(__file__).parents[2], options.runs)
        known = {group.name for group in book.plan.groups}
        if unknown := set(options.groups or ()) - known:
            raise InvalidArgument(f"Unknown group {sorted(unknown)[0]!r}. Valid: {', '.join(sorted(known))}.")
        chosen = [
            run for run in planned_runs(book.plan) if not options.groups or run.group.name in options.groups
        ]
        for run in chosen:
            print(book.line(run), flush=True)
        missing = [run for run in chosen if book.state(run) != "done"]
        print(f"{len(chosen) - len(missing)} of {len(chosen)} runs are done.", flush=True)
        if options.status or not missing:
            return 0
        return _go_on(book, missing, options.parallel or book.plan.parallel, options.minutes)
    except NaturalMujocoError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InvalidArgument) else 1


def _go_on(book: Book, missing: Sequence[PlannedRun], parallel: int, minutes: float | None) -> int:
    commit = commit_of(book.checkout)
    # Runs that have begun come first, as they will be finished soonest.
    missing = sorted(missing, key=lambda run: book.state(run) != "begun")

    def tell(work: Work, status: int) -> None:
        result = "done" if status == 0 else f"failed with status {status}, see {work.folder / 'output.log'}"
        print(f"{work.name}: {result}", flush=True)

    statuses = pursue([book.work(run, commit) for run in missing], parallel, tell, minutes)
    if STOPPED in statuses.values():
        print("Stopped; every run has saved. The same command goes on.", flush=True)
    return 1 if any(status not in (0, STOPPED) for status in statuses.values()) else 0
