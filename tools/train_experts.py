"""Trains the state experts: `python -m tools.train_experts --out DIR [--tasks TASK …] [--jobs 2]`.

Each task is a process of one thread and low priority, in a folder of its own with its log; the easiest come first.
Rerun the command to resume. `tools/export_experts.py` makes the shipped files from the folders.
Needs `pip install "natural-mujoco[experts]"`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tools.experts.plan import PLAN

_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "MUJOCO_GL": "disable",
}


def main() -> int:
    """Trains what is not done yet, `--jobs` at a time; 1 if a task failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where runs are kept")
    parser.add_argument("--tasks", nargs="+", choices=list(PLAN), default=list(PLAN), metavar="TASK")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (default 2)")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=JSON", help="overrides of the recipe, for trials"
    )
    parser.add_argument("--one", metavar="TASK", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        from tools.experts.training import train

        overrides = {name: json.loads(text) for name, _, text in (item.partition("=") for item in args.set)}
        train(dataclasses.replace(PLAN[args.one], **overrides), args.out / args.one)
        return 0
    return _train_all(args.out, args.tasks, args.jobs, args.set)


def _train_all(out: Path, tasks: list[str], jobs: int, overrides: list[str]) -> int:
    waiting, running, failed = list(tasks), {}, []
    while waiting or running:
        while waiting and len(running) < jobs:
            task = waiting.pop(0)
            (out / task).mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-m", "tools.train_experts", "--out", str(out), "--one", task]
            if overrides:
                command += ["--set", *overrides]
            with open(out / task / "output.txt", "a") as output:
                running[task] = subprocess.Popen(
                    command, stdout=output, stderr=output, env=os.environ | _ONE_THREAD,
                    preexec_fn=lambda: os.nice(5),
                )  # fmt: skip
        time.sleep(0.5)
        for task, process in list(running.items()):
            if process.poll() is not None:
                del running[task]
                print(
                    task, "done" if process.returncode == 0 else f"failed ({process.returncode})", flush=True
                )
                if process.returncode:
                    failed.append(task)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
