"""Many training runs: `python -m agents.sweep --agents cvrl dreamer --seeds 0 1 2 -- --preset laptop`.

Trains every combination of agent, ablation, task, variant and seed in a separate process, `--parallel` at a time, or on
a Ray cluster. Arguments after `--` go to every run. Rerun the command to resume a sweep that was stopped and to repeat
failed runs. If the sweep ends for any reason, its runs save and end too.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from natural_mujoco import InvalidArgument, NaturalMujocoError, files, find_task
from natural_mujoco.cli import exit_status
from natural_mujoco.errors import FileError
from natural_mujoco.evaluation.ray_tasks import run_tasks
from natural_mujoco.processes import stop_on_signals

from ..table import AGENTS
from ..training.config import Ablation, Variant
from ..training.interruption import FOLLOWED
from ..training.run_folder import require_run_folder

_PACKAGE = __name__.removesuffix(".studies.sweep")  # `agents`, or from the wheel `natural_mujoco.agents`


@dataclass(frozen=True)
class Job:
    """One run of a sweep."""

    agent: str
    ablation: str
    task: str
    variant: str
    seed: int
    logdir: Path
    flags: tuple[str, ...]

    def command(self) -> list[str]:
        """The training command, as a user would type it."""
        command = [sys.executable, "-m", f"{_PACKAGE}.{self.agent}", "--task", self.task]
        command += ["--variant", self.variant, "--seed", str(self.seed), "--logdir", str(self.logdir)]
        if self.ablation != "none":
            command += ["--ablation", self.ablation]
        return [*command, *self.flags]


def plan(options: argparse.Namespace) -> list[Job]:
    """Every combination once; other agents than CVRL have no ablations. Raises InvalidArgument."""
    tasks = [find_task(task).name for task in options.tasks]
    jobs = {}
    for agent, ablation, task, variant, seed in itertools.product(
        options.agents, options.ablations, tasks, options.variants, options.seeds
    ):
        if agent != "cvrl":
            ablation = "none"
        name = agent if ablation == "none" else f"{agent}-{ablation}"
        logdir = options.logdir / f"{task}-{variant}" / f"{name}-{seed}"
        jobs[logdir] = Job(agent, ablation, task, variant, seed, logdir, tuple(options.flags))
    return list(jobs.values())


def run_job(job: Job, started: Callable[[subprocess.Popen[bytes]], None] = lambda _: None) -> int:
    """Runs one job to its end, with its output in output.log of its directory; returns its exit status.

    `started` is called with the process, which has a process group of its own, so that Ctrl-C does not reach it. If the
    process that called this ends, the job saves and ends too. Raises `FileError` if the directory cannot be written to,
    and `InvalidArgument` if it holds something else.
    """
    require_run_folder(job.logdir)
    try:
        job.logdir.mkdir(parents=True, exist_ok=True)
        output = open(job.logdir / "output.log", "a")  # noqa: SIM115
    except OSError as error:
        raise FileError(files.write_fault(job.logdir, error, "give another --logdir")) from error
    with output:
        process = subprocess.Popen(
            job.command(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, FOLLOWED: str(os.getpid())},
        )
        started(process)
        return process.wait()


def run_locally(jobs: Sequence[Job], parallel: int, tell: Callable[[Job, int], None]) -> None:
    """Runs jobs on this machine, `parallel` at a time. If it ends early, for any reason, all of them save and stop."""
    processes: list[subprocess.Popen[bytes]] = []
    stopping = threading.Event()

    def started(process: subprocess.Popen[bytes]) -> None:
        processes.append(process)
        if stopping.is_set():
            process.terminate()

    with ThreadPoolExecutor(parallel) as pool:
        futures = {pool.submit(run_job, job, started): job for job in jobs}
        try:
            for future in as_completed(futures):
                tell(futures[future], future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stopping.set()
            for process in list(processes):
                if process.poll() is None:
                    process.terminate()
            raise


def run_on_ray(jobs: Sequence[Job], address: str | None, tell: Callable[[Job, int], None]) -> None:
    """Runs every job as a task of a Ray cluster, with one GPU each if the cluster has GPUs.

    Run directories must be on a file system that all machines of the cluster share. Raises InvalidArgument if Ray is
    not installed.
    """
    with contextlib.closing(run_tasks(run_job, {job: (job,) for job in jobs}, address, gpus=1)) as done:
        for job, status in done:
            tell(job, status)


def run_sweep(options: argparse.Namespace) -> int:
    """Runs the sweep that `options` describe; returns the exit status: 0 if every run succeeded."""
    jobs, record = plan(options), options.logdir / "sweep.json"
    _require_sweep(record)
    for job in jobs:
        require_run_folder(job.logdir)  # check all folders before the first run begins
    statuses: dict[str, int] = {}
    began = time.monotonic()

    def failed(path: Path, error: OSError) -> FileError:
        return FileError(files.write_fault(path, error, "give another --logdir"))

    def tell(job: Job, status: int) -> None:
        statuses[str(job.logdir)] = status
        files.write_json(record, statuses, failed, indent=1)
        minutes = (time.monotonic() - began) / 60
        result = "done" if status == 0 else f"failed with status {status}, see {job.logdir / 'output.log'}"
        print(f"{len(statuses)}/{len(jobs)}  {job.logdir}  {result}  {minutes:.1f} min", flush=True)

    print(f"{len(jobs)} runs under {options.logdir}", flush=True)
    if options.ray is None:
        run_locally(jobs, options.parallel, tell)
    else:
        run_on_ray([_absolute(job) for job in jobs], None if options.ray == "local" else options.ray, tell)
    return 0 if all(status == 0 for status in statuses.values()) else 1


def _require_sweep(record: Path) -> None:
    """Raises InvalidArgument if a file at `record` was not written by a sweep."""
    try:
        found = files.read_json(record)
    except (FileNotFoundError, NotADirectoryError):
        return
    except NaturalMujocoError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(status, int) for status in found.values()):
        raise InvalidArgument(f"{record} holds something else than a sweep's results: give another --logdir.")


def _absolute(job: Job) -> Job:
    return Job(**{**job.__dict__, "logdir": job.logdir.absolute()})


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parses the command line; arguments after `--` are in `flags`. Raises InvalidArgument for values out of range."""
    own, flags = list(arguments), []
    if "--" in own:
        cut = own.index("--")
        own, flags = own[:cut], own[cut + 1 :]
    parser = argparse.ArgumentParser(
        prog=f"python -m {_PACKAGE}.sweep",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--agents", nargs="+", default=["cvrl"], choices=tuple(AGENTS))
    parser.add_argument(
        "--ablations", nargs="+", default=["none"], choices=get_args(Ablation), help="ablations of CVRL"
    )
    parser.add_argument("--tasks", nargs="+", default=["walker-walk"])
    parser.add_argument("--variants", nargs="+", default=["natural"], choices=get_args(Variant))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--logdir", type=Path, default=Path("runs/sweep"))
    parser.add_argument("--parallel", type=int, default=1, help="runs at a time on this machine")
    parser.add_argument(
        "--ray", nargs="?", const="local", metavar="ADDRESS", help="run on Ray: here, or at an address"
    )
    options = parser.parse_args(own)
    if options.parallel < 1:
        raise InvalidArgument(f"--parallel is {options.parallel}; it must be at least 1.")
    reserved = {"--task", "--variant", "--seed", "--logdir", "--ablation"} & {
        flag.split("=")[0] for flag in flags
    }
    if reserved:
        raise InvalidArgument(
            f"{', '.join(sorted(reserved))} after -- would clash with the sweep's own flags."
        )
    options.flags = flags
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""

    def work() -> int:
        try:
            with stop_on_signals():
                return run_sweep(parse(sys.argv[1:] if arguments is None else arguments))
        except KeyboardInterrupt as stop:
            print("Stopped; every run has saved. Rerun the command to resume.", file=sys.stderr)
            return getattr(stop, "status", 130)

    return exit_status("agents.sweep", work)
