"""What random actions earn when each is held for some agent steps.

    python -m benchmarks.held_actions [--tasks TASK …] [--episodes 48]

A line a task and hold: the mean return of random episodes at action repeat 4, the share of them that earn anything, and
the largest return. It is what `--training.prefill-hold` gives an agent to begin with.
"""

from __future__ import annotations

import argparse

import gymnasium as gym
import numpy as np

from natural_mujoco import find_task
from natural_mujoco.evaluation.conditions import TASK_NAMES

SPARSE = ("pendulum-swingup", "ball-in-cup-catch", "finger-spin", "reacher-easy", "cartpole-swingup")
HOLDS = (1, 4, 8, 16)
REPEAT = 4


def returns(task: str, hold: int, episodes: int, beside: int = 8) -> np.ndarray:
    """Returns of `episodes` random episodes, rounded up to a multiple of `beside`."""
    envs = gym.make_vec(
        find_task(task).standard_id,
        num_envs=beside,
        size=16,
        action_repeat=REPEAT,
        rendering="fast",
        autoreset_mode="Disabled",
    )
    rng, found = np.random.default_rng(0), []
    for first in range(0, episodes, beside):
        envs.reset(seed=list(range(first, first + beside)))
        total, over, step = np.zeros(beside), False, 0
        while not over:
            if step % hold == 0:
                actions = rng.uniform(-1, 1, envs.action_space.shape).astype(np.float32)
            _, rewards, terminated, truncated, _ = envs.step(actions)
            total, over, step = total + rewards, bool((terminated | truncated).all()), step + 1
        found.append(total)
    envs.close()
    return np.concatenate(found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="+", choices=TASK_NAMES, default=SPARSE, metavar="TASK")
    parser.add_argument("--episodes", type=int, default=48)
    args = parser.parse_args()
    print(f"{'task':<18} {'held':>4} {'mean':>7} {'earn':>5} {'most':>5}")
    for task in args.tasks:
        for hold in HOLDS:
            r = returns(task, hold, args.episodes)
            print(f"{task:<18} {hold:>4} {r.mean():7.1f} {(r > 0).mean():5.2f} {r.max():5.0f}", flush=True)


if __name__ == "__main__":
    main()
