"""How well the experts bear errors of whoever copies them: `python -m tools.measure_teachers [TASK …]`.

A line a task: the mean return of five episodes at action repeat 2 under Gaussian noise of several standard deviations
on every action; how much the undisturbed action changes from one step to the next (0 held, 1 as if drawn anew, 2
reversed each time: the mean squared change over twice the variance); and the return of an episode
beginning with the robot on its back, for the cheetah. docs/experts.md tells what this means for students.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from natural_mujoco.experts import EXPERTS, Expert, load_expert
from tools.experts.physics import StateTask

NOISES = (0.0, 0.2, 0.4, 0.6)
EPISODES = 5
FIRST_SEED = 30_000
OVERTURNED = {"cheetah-run": {"rooty": np.pi}}
"""Joint positions in which a robot lies on its back, for robots with a back."""


def play(
    expert: Expert, noise: float, seed: int, options: dict[str, float] | None = None
) -> tuple[float, Any]:
    """The return of one episode at action repeat 2, and its actions before the noise [steps, A]."""
    task, rng = StateTask(expert.task, 2), np.random.default_rng(seed)
    state, _ = task.reset(seed=seed, options=options)
    actions, done = [], False
    while not done:
        actions.append(expert.act(state))
        noisy = actions[-1] + noise * rng.standard_normal(actions[-1].shape)
        state, _, _, done, info = task.step(np.clip(noisy, -1, 1).astype(np.float32))
    return info["return"], np.stack(actions)


def change(actions: Any) -> float:
    """The mean squared change from step to step over twice the variance, of actions [steps, A]."""
    variance = actions.var(0).mean()
    return float(np.square(np.diff(actions, axis=0)).mean() / (2 * variance))


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="*", default=EXPERTS, metavar="TASK")
    parser.add_argument("--experts", type=Path, metavar="DIR", help="weights and cards of other experts")
    args = parser.parse_args()
    print(f"{'task':20}", *(f"noise {noise}" for noise in NOISES), "change", "overturned", sep="  ")
    for name in args.tasks:
        expert = load_expert(name, args.experts)
        seeds = range(FIRST_SEED, FIRST_SEED + EPISODES)
        played = {noise: [play(expert, noise, seed) for seed in seeds] for noise in NOISES}
        means = [np.mean([earned for earned, _ in episodes]) for episodes in played.values()]
        changes = np.mean([change(actions) for _, actions in played[0.0]])
        turned = ""
        if expert.task in OVERTURNED:
            turned = f"{play(expert, 0.0, FIRST_SEED, OVERTURNED[expert.task])[0]:10.0f}"
        print(f"{expert.task:20}", *(f"{mean:9.0f}" for mean in means), f"{changes:6.2f}", turned, sep="  ")


if __name__ == "__main__":
    main()
