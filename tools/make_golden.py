"""Writes tests/golden/*.json from dm_control, MuJoCo and NumPy alone; nothing of `natural_mujoco` is imported.

    python -m tools.make_golden

- `rewards.json`: rewards and joint positions of dm_control under the documented seeding.
- `backgrounds.json`: which clip and frame the documented draws give on a set of 32 and 16 clips of 500 frames.
- `mattes.json`: foreground coverage by MuJoCo's segmentation, 8×8 samples a pixel, full tessellation.

Run it again only when the definition of `v0` changes on purpose; the difference is then the change of behaviour.
"""

from __future__ import annotations

import base64
import json
import os
import zlib
from pathlib import Path
from typing import Any

os.environ.setdefault("MUJOCO_GL", "egl")

import numpy as np
import numpy.typing as npt
from dm_control import suite

from tests.rendering.segmentation import SAMPLES, Segmentation

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden"

# id name: domain, task, camera
TASKS = {
    "WalkerWalk": ("walker", "walk", 0),
    "WalkerRun": ("walker", "run", 0),
    "CheetahRun": ("cheetah", "run", 0),
    "FingerSpin": ("finger", "spin", 0),
    "CartpoleBalance": ("cartpole", "balance", 0),
    "CartpoleSwingup": ("cartpole", "swingup", 0),
    "BallInCupCatch": ("ball_in_cup", "catch", 0),
    "ReacherEasy": ("reacher", "easy", 0),
    "QuadrupedWalk": ("quadruped", "walk", 2),
    "PendulumSwingup": ("pendulum", "swingup", 0),
}
SEEDS = (0, 7)
FIRST_STEPS, SECOND_STEPS = 100, 20
MATTE_STEPS = (0, 15, 60)
BACKGROUND_SEEDS = (0, 1, 2, 3, 7, 1234, 2**31)
EPISODES = 3
CLIPS, FRAMES = {"train": 32, "test": 16}, 500


def actions(seed: int, steps: int, size: int) -> npt.NDArray[np.float32]:
    """The actions of a golden rollout: `float32[steps, size]` in [-1, 1]."""
    return np.random.default_rng(1000 + seed).uniform(-1, 1, (steps, size)).astype(np.float32)


def load(domain: str, task: str, seed: int) -> Any:
    """dm_control's environment as `reset(seed=seed)` is documented to seed it."""
    physics_stream, _ = np.random.SeedSequence(seed).spawn(2)
    random = np.random.RandomState(int(physics_stream.generate_state(1)[0]))
    return suite.load(domain, task, task_kwargs={"random": random})


def agent_step(env: Any, action: npt.NDArray[np.float32]) -> float:
    """Two control steps, and the sum of their rewards."""
    return float(env.step(action).reward) + float(env.step(action).reward)


def rewards() -> dict[str, Any]:
    """Two episodes for each task and seed: the second goes on in the random stream of the first."""
    table: dict[str, Any] = {}
    for name, (domain, task, _) in TASKS.items():
        table[name] = {}
        for seed in SEEDS:
            env = load(domain, task, seed)
            plan = actions(seed, FIRST_STEPS + SECOND_STEPS, env.action_spec().shape[0])
            episodes = []
            for part in (plan[:FIRST_STEPS], plan[FIRST_STEPS:]):
                env.reset()
                start = env.physics.data.qpos.tolist()
                received = [agent_step(env, action) for action in part]
                episodes.append(
                    {"first_qpos": start, "rewards": received, "last_qpos": env.physics.data.qpos.tolist()}
                )
            table[name][str(seed)] = episodes
    return table


def backgrounds() -> dict[str, Any]:
    """Clip id and first frame of three episodes in a row for each split and seed."""
    table: dict[str, Any] = {}
    for split, clips in CLIPS.items():
        table[split] = {}
        for seed in BACKGROUND_SEEDS:
            rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[1])
            draws = rng.random((EPISODES, 2))
            table[split][str(seed)] = [
                [f"embedded-{split}-{int(clip * clips):02d}", int(start * FRAMES)] for clip, start in draws
            ]
    return table


def mattes() -> dict[str, Any]:
    """Foreground samples of each pixel (0 to 64), zlib and base64, after some agent steps of the golden rollout."""
    table: dict[str, Any] = {}
    for name, (domain, task, camera) in TASKS.items():
        env = load(domain, task, SEEDS[0])
        plan = actions(SEEDS[0], FIRST_STEPS + SECOND_STEPS, env.action_spec().shape[0])
        env.reset()
        table[name] = {}
        with Segmentation(env.physics, camera) as segmentation:
            for step in range(max(MATTE_STEPS) + 1):
                if step in MATTE_STEPS:
                    counts = (segmentation.coverage() * SAMPLES**2).round().astype(np.uint8)
                    table[name][str(step)] = base64.b64encode(zlib.compress(counts.tobytes(), 9)).decode()
                agent_step(env, plan[step])
    return table


def main() -> None:
    for name, table in (("rewards", rewards()), ("backgrounds", backgrounds()), ("mattes", mattes())):
        path = GOLDEN / f"{name}.json"
        path.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")
        print(f"{path.relative_to(GOLDEN.parents[1])}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
