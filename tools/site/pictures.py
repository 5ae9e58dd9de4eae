"""The site's pictures: every task standard, natural and as its matte, side by side and in motion.

- `draw_pictures`: an animated WebP a task, a still of all of them, one frame taken apart into its layers, difficulty.
- `python -m tools.site.pictures`: draws the front page's experts, `docs/_static/experts.webp`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import gymnasium as gym
import imageio.v3 as iio
import numpy as np

from natural_mujoco import TASKS, Task
from natural_mujoco.environment import NaturalMujocoEnv
from natural_mujoco.experts import EXPERTS
from natural_mujoco.pictures.recording import actor
from natural_mujoco.rendering.matting import Pixels

from .difficulty import draw_first_videos, draw_strengths

GAP = 4
# Agent steps before a film begins: the quadruped is dropped at any angle and has to turn over first.
LEAD = {"quadruped-walk": 100}
COLUMNS = 5
OTHERS = SHEET, LAYERS, STRENGTHS, FIRST_VIDEOS = (
    "all-tasks.webp",
    "layers.webp",
    "strengths.webp",
    "first-videos.webp",
)


def draw_pictures(folder: Path, quick: bool = False) -> None:
    """Writes `TASK.webp` for each task and the pictures of `OTHERS` into `folder`, unless all are there.

    `quick` draws two small frames of the first task and shows them for every task.
    """
    tasks = list(TASKS.values())
    folder.mkdir(parents=True, exist_ok=True)
    if all((folder / name).exists() for name in (*(f"{task.name}.webp" for task in tasks), *OTHERS)):
        return
    side, steps = (48, 2) if quick else (224, 60)
    stills = []
    for number, task in enumerate(tasks[:1] if quick else tasks):
        frames, fps = draw_task(task, number, f"embedded-train-{number % 32:02d}", side, steps)
        iio.imwrite(
            folder / f"{task.name}.webp",
            np.stack(frames),
            duration=round(1000 / fps), loop=0, quality=70, method=4,
        )  # fmt: skip
        still = frames[len(frames) // 5]
        stills.append(np.vstack([still[:, :side], still[:, side + GAP : 2 * side + GAP]]))
    for task in tasks[len(stills) :]:
        shutil.copy(folder / f"{tasks[0].name}.webp", folder / f"{task.name}.webp")
    iio.imwrite(folder / SHEET, contact_sheet(stills), quality=80)
    iio.imwrite(folder / LAYERS, draw_layers(tasks[0], side), quality=90)
    shown = ("walker-walk",) if quick else ("walker-walk", "cheetah-run", "reacher-easy")
    strengths = draw_strengths(shown, 48, (0.0, 1.0)) if quick else draw_strengths(shown, 168)
    iio.imwrite(folder / STRENGTHS, strengths, quality=85)
    videos = draw_first_videos(1, 48, 1) if quick else draw_first_videos(32, 104, 8)
    iio.imwrite(folder / FIRST_VIDEOS, videos, quality=80)


def draw_task(task: Task, seed: int, clip: str, side: int, steps: int) -> tuple[list[Pixels], float]:
    """`steps` frames `uint8[side, 3 * side + 2 * gap, 3]` of an episode in front of `clip`, and how many make a second.

    From left to right: the standard picture, the natural one, the matte. Both environments have one seed and
    get the same actions, so that the physics is the same: those of the task's state expert, or smooth random
    ones where there is none.
    """
    look: dict[str, Any] = {"render_mode": "rgb_array", "render_size": side}
    standard = gym.make(task.standard_id, rendering="fast", **look)  # of observations, which nobody sees
    natural = gym.make(task.natural_id, videos="embedded", size=min(side, 128), **look)
    inner = natural.unwrapped
    assert isinstance(inner, NaturalMujocoEnv)
    acting = actor(natural, "expert" if task.name in EXPERTS else "random", seed)
    standard.reset(seed=seed)
    observation, _ = natural.reset(seed=seed, options={"video": clip})
    acting.reset(1)

    def picture() -> Pixels:
        matte = cv2.resize(inner.matte, (side, side), interpolation=cv2.INTER_AREA)
        return _beside([standard.render(), natural.render(), _grey(matte)])

    frames: list[Pixels] = []
    for step in range(-LEAD.get(task.name, 0), steps):
        if step >= 0:
            frames.append(picture())
        action = acting.act(observation[None])[0]
        standard.step(action)
        observation, *_ = natural.step(action)
    fps = float(natural.metadata["render_fps"])
    standard.close()
    natural.close()
    return frames, fps


def draw_layers(task: Task, side: int) -> Pixels:
    """One observation of `task` taken apart: what is drawn, its coverage, the video's frame, and what the agent sees.

    `uint8[side, 4 * side + 3 * gap, 3]`, the 64×64 pixels magnified, so that the soft edges show.
    """
    env = gym.make(task.natural_id, videos="embedded")
    inner = env.unwrapped
    assert isinstance(inner, NaturalMujocoEnv)
    assert inner.video_library is not None
    observation, info = env.reset(seed=0)
    shown = info["background"]
    video = np.asarray(inner.video_library.frames(shown["video"], inner.size)[shown["frame"]])
    matte = inner.matte
    env.close()
    behind = (255 - matte[:, :, None].astype(np.float64)) / 255 * video
    drawn = np.clip(observation - behind, 0, 255).astype(np.uint8)
    layers = (drawn, _grey(matte), video, observation)
    return _beside([cv2.resize(layer, (side, side), interpolation=cv2.INTER_NEAREST) for layer in layers])


def draw_experts(side: int, steps: int) -> list[Pixels]:
    """All tasks in front of video at once, their experts acting: `steps` frames, every second agent step, in rows."""
    films = []
    for number, task in enumerate(TASKS.values()):
        clip = f"embedded-train-{(number + 2) % 32:02d}"
        frames, _ = draw_task(task, number, clip, side, 2 * steps)
        films.append([frame[:, side + GAP : 2 * side + GAP] for frame in frames[::2]])
    return [contact_sheet(cells) for cells in zip(*films, strict=True)]


def contact_sheet(cells: Sequence[Pixels]) -> Pixels:
    """Cells of one shape in rows of `COLUMNS` with grey gaps; the last row is filled up with grey."""
    height, width, _ = cells[0].shape
    columns = min(COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    sheet = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 128, np.uint8)
    for number, cell in enumerate(cells):
        top, left = (number // columns) * (height + GAP), (number % columns) * (width + GAP)
        sheet[top : top + height, left : left + width] = cell
    return sheet


def _beside(cells: Sequence[Any]) -> Pixels:
    gap = np.full((cells[0].shape[0], GAP, 3), 128, np.uint8)
    joined: Pixels = np.hstack([part for cell in cells for part in (gap, cell)][1:])
    return joined


def _grey(matte: Any) -> Pixels:
    colours: Pixels = np.repeat(matte[:, :, None], 3, axis=2)
    return colours


if __name__ == "__main__":
    iio.imwrite(
        Path(__file__).parents[2] / "docs" / "_static" / "experts.webp",
        np.stack(draw_experts(144, 40)),
        duration=80, loop=0, quality=35, method=6,
    )  # fmt: skip
