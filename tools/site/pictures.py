"""The site's pictures: every task standard, natural and as its matte, side by side and in motion.

- `draw_pictures`: an animated WebP a task and a still of all ten.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import gymnasium as gym
import imageio.v3 as iio
import numpy as np

from natural_mujoco import TASKS, Task
from natural_mujoco.environment import NaturalMujocoEnv
from natural_mujoco.experts import EXPERTS, load_expert
from natural_mujoco.experts.policy import observe
from natural_mujoco.rendering.matting import Pixels

GAP = 4


def draw_pictures(folder: Path, quick: bool = False) -> None:
    """Writes `TASK.webp` for each task and `all-tasks.webp` into `folder`, unless they are all there.

    `quick` draws two frames of 48 pixels, all in front of one clip.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if all(
        (folder / f"{name}.webp").exists() for name in (*(task.name for task in TASKS.values()), "all-tasks")
    ):
        return
    side, steps = (48, 2) if quick else (224, 60)
    sheet = []
    for number, task in enumerate(TASKS.values()):
        clip = f"embedded-train-{0 if quick else number:02d}"
        frames, fps = draw_task(task, number, clip, side, steps)
        _write_film(folder / f"{task.name}.webp", frames, fps)
        still = frames[len(frames) // 5]
        sheet.append(np.vstack([still[:, :side], still[:, side + GAP : 2 * side + GAP]]))
    gap = np.full((2 * side, GAP, 3), 128, np.uint8)
    rows = [
        np.hstack([part for cell in sheet[first : first + 5] for part in (gap, cell)][1:]) for first in (0, 5)
    ]
    iio.imwrite(
        folder / "all-tasks.webp",
        np.vstack([rows[0], np.full((GAP, *rows[0].shape[1:]), 128, np.uint8), rows[1]]),
        quality=80,
    )


def draw_task(task: Task, seed: int, clip: str, side: int, steps: int) -> tuple[list[Pixels], float]:
    """`steps` frames `uint8[side, 3 * side + 2 * gap, 3]` of an episode in front of `clip`, and how many make a second.

    From left to right: the standard picture, the natural one, the matte. Both environments have one seed and
    get the same actions, so that the physics is the same: those of the task's state expert, or smooth random
    ones where there is none.
    """
    look: dict[str, Any] = {"render_mode": "rgb_array", "render_size": side}
    standard = gym.make(task.standard_id, **look)
    natural = gym.make(task.natural_id, videos="embedded", size=min(side, 128), **look)
    inner = natural.unwrapped
    assert isinstance(inner, NaturalMujocoEnv)
    assert natural.action_space.shape is not None
    rng = np.random.default_rng(seed)
    standard.reset(seed=seed)
    natural.reset(seed=seed, options={"video": clip})
    expert = load_expert(task.name) if task.name in EXPERTS else None
    action = np.zeros(natural.action_space.shape, np.float32)
    frames = []
    for _ in range(steps):
        matte = cv2.resize(inner.matte, (side, side), interpolation=cv2.INTER_AREA)
        frames.append(_beside([standard.render(), natural.render(), np.repeat(matte[:, :, None], 3, axis=2)]))
        if expert is not None:
            action = expert.act(observe(inner))
        else:
            action = np.clip(0.9 * action + 0.4 * rng.standard_normal(action.shape), -1, 1).astype(np.float32)
        standard.step(action)
        natural.step(action)
    fps = float(natural.metadata["render_fps"])
    standard.close()
    natural.close()
    return frames, fps


def _beside(cells: list[Any]) -> Pixels:
    gap = np.full((cells[0].shape[0], GAP, 3), 128, np.uint8)
    joined: Pixels = np.hstack([part for cell in cells for part in (gap, cell)][1:])
    return joined


def _write_film(path: Path, frames: list[Pixels], fps: float) -> None:
    iio.imwrite(path, np.stack(frames), duration=round(1000 / fps), loop=0, quality=70, method=4)
