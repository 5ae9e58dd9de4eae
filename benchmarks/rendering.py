"""What the foreground's rendering costs and what it is worth: the measurements behind `v0`'s numbers.

    python benchmarks/rendering.py [--states 12]

For supersampling 1 to 4 (samples a pixel and direction) and dm_control's tessellation against the one used:
milliseconds a frame (drawing, reading, averaging) and the coverage's relative L1 error against an 8×-supersampled
reference at full tessellation. Then the same frames with and without Mesa's worker threads, each in a fresh process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np

from natural_mujoco import TASKS
from natural_mujoco.rendering.framebuffer import Quality
from natural_mujoco.rendering.gl import import_dm_control

SIZE = 64
COARSE, FINE = Quality(12, 6, 0), Quality(28, 16, 0)
SETTINGS = {
    "1x1": (COARSE, 1),
    "2x2": (COARSE, 2),
    "4x4": (COARSE, 4),
    "2x2 fine": (FINE, 2),
    "4x4 fine": (FINE, 4),
}


def milliseconds(renderer: Any, seconds: float = 0.15) -> float:
    """The median of five timings of `draw`."""
    timings = []
    for _ in range(5):
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            renderer.draw()
            count += 1
        timings.append(1000 * (time.perf_counter() - start) / count)
    return statistics.median(timings)


def measure_task(task: Any, states: int) -> dict[str, tuple[float, float]]:
    """`{setting: (milliseconds, error)}` for one task."""
    from natural_mujoco.rendering.scene import SceneRenderer

    env = import_dm_control().load(task.domain, task.task, task_kwargs={"random": 0})
    env.reset()
    spec, rng = env.action_spec(), np.random.default_rng(0)
    reference = SceneRenderer(env.physics, task, SIZE, FINE, supersampling=8)
    renderers = {
        name: SceneRenderer(env.physics, task, SIZE, quality, supersampling=supersampling)
        for name, (quality, supersampling) in SETTINGS.items()
    }
    errors: dict[str, list[float]] = {name: [] for name in renderers}
    for _ in range(states):
        for _ in range(10):
            env.step(rng.uniform(spec.minimum, spec.maximum, spec.shape))
        truth = reference.draw()[..., 3].astype(float)
        for name, renderer in renderers.items():
            errors[name].append(np.abs(renderer.draw()[..., 3] - truth).sum() / truth.sum())
    row = {
        name: (milliseconds(renderer), float(np.mean(errors[name]))) for name, renderer in renderers.items()
    }
    for renderer in (reference, *renderers.values()):
        renderer.close()
    return row


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--states", type=int, default=12)
    parser.add_argument("--only-walker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only_walker:
        print(f"{measure_task(TASKS['WalkerWalk'], 1)['4x4'][0]:.3f}")
        return
    print("milliseconds a frame / relative L1 error of the coverage")
    print(f"{'task':18}" + "".join(f"{name:>15}" for name in SETTINGS))
    rows = []
    for task in TASKS.values():
        rows.append(measure_task(task, args.states))
        print(
            f"{task.name:18}" + "".join(f"{ms:8.3f} /{err:5.3f}" for ms, err in rows[-1].values()), flush=True
        )
    means = [tuple(np.mean([row[name] for row in rows], axis=0)) for name in SETTINGS]
    print(f"{'mean':18}" + "".join(f"{ms:8.3f} /{err:5.3f}" for ms, err in means))
    for threads in ("0", str(os.cpu_count())):
        environ = {**os.environ, "LP_NUM_THREADS": threads}
        command = [sys.executable, __file__, "--only-walker"]
        result = subprocess.run(
            command, env=environ, capture_output=True, text=True, check=True
        ).stdout.strip()
        print(f"walker-walk, 4x4, LP_NUM_THREADS={threads}: {result} ms")


if __name__ == "__main__":
    main()
