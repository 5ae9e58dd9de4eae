"""How good the matte is: its error against MuJoCo's own segmentation at 8×8 samples a pixel and full tessellation.

    python benchmarks/matte.py [--states 50]

The error of a state is Σ|matte − reference| / Σ reference over the 64×64 pixels. Targets: mean over the ten tasks
at most 0.09, no task's mean above 0.20. Exits with 1 where one is missed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from natural_mujoco import TASKS, Task
from natural_mujoco.environment import NaturalMujocoEnv

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.rendering.segmentation import Segmentation

MEAN_TARGET, WORST_TARGET = 0.09, 0.20


def matte_errors(task: Task, states: int) -> list[float]:
    """The relative L1 error of `states` states, spread over episodes of random actions."""
    # The matte is the same before every video; on a standard environment none has to be prepared.
    env = NaturalMujocoEnv(task.id_name, natural=False, rendering="fast")
    rng = np.random.default_rng(0)
    errors = []
    with Segmentation(env.dm_control_env.physics, task.camera_id) as segmentation:
        for state in range(states):
            if state % 5 == 0:
                env.reset(seed=state)
            else:
                for _ in range(10):
                    env.step(rng.uniform(-1, 1, env.action_space.shape).astype(np.float32))
            reference = segmentation.coverage()
            errors.append(float(np.abs(env.matte / 255 - reference).sum() / reference.sum()))
    env.close()
    return errors


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--states", type=int, default=50, help="states a task (default: 50)")
    states = parser.parse_args().states
    print(f"{'task':<20} {'mean':>6} {'worst state':>12}   ({states} states)")
    means = []
    for task in TASKS.values():
        errors = matte_errors(task, states)
        means.append(float(np.mean(errors)))
        print(f"{task.name:<20} {means[-1]:>6.3f} {max(errors):>12.3f}", flush=True)
    mean, worst = float(np.mean(means)), max(means)
    print(f"{'mean of tasks':<20} {mean:>6.3f}   target at most {MEAN_TARGET}")
    print(f"{'worst task':<20} {worst:>6.3f}   target at most {WORST_TARGET}")
    return 0 if mean <= MEAN_TARGET and worst <= WORST_TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
