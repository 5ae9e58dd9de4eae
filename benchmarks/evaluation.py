"""How much of the environments' own speed an evaluation keeps.

    python -m benchmarks.evaluation [--tasks TASK ...] [--conditions CONDITION ...] [--episodes 10]

Evaluates `zero` on all tasks, one condition after the other, and compares its agent steps with those of the vector
environment stepped with ready-made actions before and after, whose start-up is not counted, while that of the
evaluation is: its processes, ten environments for each task, its records. Target: at least 0.9. Both draw `standard`
without shadows and reflections, as an evaluation does for a policy that does not look; dm_control's own full picture
takes twenty times as long, and everything else vanishes beside it.

Seconds are those that processors worked, of all processes together, so that a machine that is busy with something else
changes little; `wall` is the same ratio by the clock. A last line is all conditions together.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import psutil

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


def own_cost(task: str, condition: Condition, seconds: float) -> np.ndarray:
    """Seconds of processors and of the clock for an agent step of the vector environment of ten."""
    env_id, kwargs = environment_spec(task, condition, "embedded")
    envs = gym.make_vec(env_id, num_envs=10, rendering="fast", **kwargs)
    actions = np.zeros(envs.action_space.shape, np.float32)
    envs.reset(seed=0)
    envs.step(actions)
    steps, before = 0, _worked_now()
    while _worked_now()[1] - before[1] < seconds:
        envs.step(actions)
        steps += 10
    cost: np.ndarray = (_worked_now() - before) / steps
    envs.close()
    return cost


def _worked_now() -> np.ndarray:
    """What this process and its living children have worked, and the clock."""
    times = [
        process.cpu_times() for process in (psutil.Process(), *psutil.Process().children(recursive=True))
    ]
    return np.array([sum(t.user + t.system for t in times), time.perf_counter()])


def _worked_ever() -> np.ndarray:
    """What this process and its children that have ended have worked, and the clock."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return np.array([sum(u.ru_utime + u.ru_stime for u in used), time.perf_counter()])


def evaluated(tasks: Any, condition: Condition, episodes: int) -> np.ndarray:
    """Seconds of processors and of the clock for a whole evaluation."""
    with tempfile.TemporaryDirectory() as folder:
        request = Request(
            sources=[find_policy("zero")],
            entry=Entry(name="zero"),
            out=Path(folder) / "results.json",
            tasks=tasks,
            conditions=(condition,),
            episodes=episodes,
            seed=0,
            videos="embedded",
        )
        before = _worked_ever()
        evaluate(request, workers=usable_cores())
        spent: np.ndarray = _worked_ever() - before
    return spent


def main() -> None:
    """Prints the ratio of each condition, and of all together."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="+", default=["all"])
    parser.add_argument("--conditions", nargs="+", default=["standard", "natural-test"])
    parser.add_argument("--episodes", type=int, default=10)
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="for each measurement of the vector environment"
    )
    args = parser.parse_args()
    tasks, conditions = select_tasks(args.tasks), select_conditions(args.conditions)
    steps = args.episodes * AGENT_STEPS
    plain, spent = np.zeros(2), np.zeros(2)
    for condition in conditions:
        before = {task: own_cost(task, condition, args.seconds) for task in tasks}
        whole = evaluated(tasks, condition, args.episodes)
        own = sum(
            (steps * (before[task] + own_cost(task, condition, args.seconds)) / 2 for task in tasks),
            np.zeros(2),
        )
        _report(condition, len(tasks) * steps, own, whole)
        plain, spent = plain + own, spent + whole
    _report("all", len(conditions) * len(tasks) * steps, plain, spent)


def _report(what: str, steps: int, own: np.ndarray, whole: np.ndarray) -> None:
    ratio, wall = own / whole
    print(
        f"{what:14} {steps} agent steps: vector environment {own[0]:.0f} s, evaluation {whole[0]:.0f} s of processors; "
        f"ratio {ratio:.2f} (≥ 0.9), wall {wall:.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
