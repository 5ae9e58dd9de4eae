"""How much of the environments' own speed an evaluation keeps.

    python benchmarks/evaluation.py [--tasks TASK ...] [--conditions CONDITION ...] [--episodes 10]

Evaluates `random` on all tasks and conditions in one go (a quarter of an hour on two cores with a software renderer:
`standard` draws full scenes) and compares the agent steps/s, start-up and all, with those of the vector
environment stepped with ready-made actions, its start-up not counted. Target: at least 0.9. With fewer tasks the
start of the processes weighs more, and processes that have nothing left to do as well.
"""

from __future__ import annotations

import argparse
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
from natural_mujoco.processes import usable_cores

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
    """Prints the environments' rates by condition, the evaluation's over everything, and the ratio."""
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
    workers = usable_cores()

    tasks, conditions = select_tasks(args.tasks), select_conditions(args.conditions)
    cells = [(task, condition) for condition in conditions for task in tasks]
    before = {cell: own_rate(*cell, args.seconds) for cell in cells}
    with tempfile.TemporaryDirectory() as folder:
        request = Request(
            sources=[find_policy("random")],
            entry=Entry(name="random"),
            out=Path(folder) / "results.json",
            tasks=tasks,
            conditions=conditions,
            episodes=args.episodes,
            seed=0,
            videos="embedded",
        )
        start = time.perf_counter()
        evaluate(request, workers=workers)
        seconds = time.perf_counter() - start
    # Before and after, so that a machine that is busy with something else disturbs both sides alike.
    after = {cell: own_rate(*cell, args.seconds) for cell in cells}
    steps = args.episodes * AGENT_STEPS
    own = {cell: steps / ((before[cell] + after[cell]) / 2) for cell in cells}
    for condition in conditions:
        spent = sum(own[task, condition] for task in tasks)
        print(f"{condition:14} vector environment {len(tasks) * steps / spent:6.0f} steps/s")
    total = len(cells) * steps
    print(
        f"all: {total} agent steps in {seconds:.0f} s, {total / seconds:.0f} steps/s; vector environment "
        f"{total / sum(own.values()):.0f} steps/s; ratio {sum(own.values()) / seconds:.2f} (≥ 0.9)"
    )


if __name__ == "__main__":
    main()
