"""How much of the environments' own speed an evaluation keeps.

    python benchmarks/evaluation.py [--tasks TASK ...] [--conditions CONDITION ...] [--episodes 10]

Evaluates `random` on all tasks and conditions (slow on a software renderer: the standard condition draws full scenes)
and compares the agent steps/s, start-up and all, with those of the vector environment stepped with ready-made actions,
its start-up not counted. Target: at least 0.9.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import gymnasium as gym
import numpy as np

from natural_mujoco.evaluation.conditions import (
    Condition,
    environment_spec,
    select_conditions,
    select_tasks,
)
from natural_mujoco.evaluation.evaluate import evaluate
from natural_mujoco.evaluation.plan import Request
from natural_mujoco.evaluation.policy_source import find_policy
from natural_mujoco.evaluation.records import Entry

AGENT_STEPS = 500


def own_rate(task: str, condition: Condition, seconds: float) -> float:
    """Agent steps/s of the vector environment with ten sub-environments, measured for some seconds."""
    env_id, kwargs = environment_spec(task, condition, "embedded")
    envs = gym.make_vec(env_id, num_envs=10, **kwargs)
    actions = np.random.default_rng(0).uniform(-1, 1, envs.action_space.shape).astype(np.float32)
    envs.reset(seed=0)
    envs.step(actions)
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        envs.step(actions)
        steps += 10
    rate = steps / (time.perf_counter() - start)
    envs.close()
    return rate


def main() -> None:
    """Prints both rates by condition and their ratio over everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="+", default=["all"])
    parser.add_argument("--conditions", nargs="+", default=["all"])
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="for each measurement of the vector environment"
    )
    args = parser.parse_args()
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    expected = taken = steps = 0.0
    for condition in select_conditions(args.conditions):
        tasks = select_tasks(args.tasks)
        before = {task: own_rate(task, condition, args.seconds) for task in tasks}
        with tempfile.TemporaryDirectory() as folder:
            request = Request(
                sources=[find_policy("random")],
                entry=Entry(name="random"),
                out=Path(folder) / "results.json",
                tasks=tasks,
                conditions=(condition,),
                episodes=args.episodes,
                seed=0,
                videos="embedded",
            )
            start = time.perf_counter()
            evaluate(request, workers=workers)
            seconds = time.perf_counter() - start
        # Before and after, so that a machine that is busy with something else disturbs both sides alike.
        after = {task: own_rate(task, condition, args.seconds) for task in tasks}
        own = sum(args.episodes * AGENT_STEPS / ((before[task] + after[task]) / 2) for task in tasks)
        done = len(tasks) * args.episodes * AGENT_STEPS
        print(
            f"{condition:14} evaluation {done / seconds:6.0f} steps/s, vector environment {done / own:6.0f} steps/s, "
            f"ratio {own / seconds:.2f}",
            flush=True,
        )
        expected, taken, steps = expected + own, taken + seconds, steps + done
    print(
        f"all: {steps:.0f} agent steps in {taken:.0f} s; evaluation ÷ vector env {expected / taken:.2f} (≥ 0.9)"
    )


if __name__ == "__main__":
    main()
