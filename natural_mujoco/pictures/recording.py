"""Pictures of environments: rolled-out frames, and files of them.

- `roll_out`: frames of an episode under smooth random actions.
- `write_pictures`: frames to a PNG, GIF or MP4.
- `contact_sheet`: all ten tasks, standard above natural.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import gymnasium as gym
import imageio.v3 as iio
import numpy as np

from ..errors import InvalidArgument, unknown
from ..rendering.matting import Pixels
from ..tasks import TASKS

FORMATS = (".png", ".gif", ".mp4")


def roll_out(env: gym.Env[Any, Any], steps: int, seed: int, pixels: str = "render") -> list[Pixels]:
    """`steps` frames of an episode: the `"observation"` or `render()`'s picture after each agent step.

    Actions are random but smooth (an autoregressive walk through the action space), so that robots move as robots
    do instead of trembling.
    """
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    assert env.action_space.shape is not None
    shape = env.action_space.shape
    action = np.zeros(shape, np.float32)
    frames = []
    for _ in range(steps):
        frames.append(observation if pixels == "observation" else env.render())
        action = np.clip(0.9 * action + 0.4 * rng.standard_normal(shape), -1, 1).astype(np.float32)
        observation, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            observation, _ = env.reset()
    return frames  # type: ignore[return-value]


def check_format(path: Path) -> None:
    """Raises `InvalidArgument` where `path` has an ending that `write_pictures` cannot write."""
    if path.suffix.lower() not in FORMATS:
        raise unknown("picture format", path.suffix or path.name, FORMATS)


def write_pictures(path: Path, frames: Sequence[Pixels], fps: float) -> None:
    """Writes `frames` (each `uint8[h, w, 3]`, h and w even for MP4): the middle one to `.png`, all to `.gif` or `.mp4`.

    Raises `InvalidArgument` for another ending, `OSError` where the file cannot be written.
    """
    check_format(path)
    if not frames:
        raise InvalidArgument("There are no frames to write: ask for at least one step.")
    path.parent.mkdir(parents=True, exist_ok=True)
    ending = path.suffix.lower()
    if ending == ".png":
        iio.imwrite(path, frames[len(frames) // 2])
    elif ending == ".gif":
        iio.imwrite(path, np.stack(frames), duration=round(1000 / fps), loop=0)
    else:
        iio.imwrite(path, np.stack(frames), fps=fps, codec="libx264", quality=8, macro_block_size=2)


def contact_sheet(
    videos: str, split: str = "train", side: int = 192, steps: int = 7, seed: int = 3
) -> Pixels:
    """All ten tasks in five columns: each standard picture above the natural one of the same state.

    `uint8[4 * (side + gap), 5 * (side + gap), 3]`; the natural cells show different videos.
    """
    cells = []
    for number, task in enumerate(TASKS.values()):
        look: dict[str, Any] = {"render_mode": "rgb_array", "render_size": side}
        standard = gym.make(task.standard_id, **look)
        natural = gym.make(task.natural_id, videos=videos, split=split, size=128, **look)
        above, below = (roll_out(env, steps, seed + number)[-1] for env in (standard, natural))
        standard.close()
        natural.close()
        cells.append(_captioned(np.vstack([above, below]), task.name))
    rows = [np.hstack(cells[first : first + 5]) for first in range(0, len(cells), 5)]
    return np.vstack(rows)


def _captioned(cell: Pixels, caption: str) -> Pixels:
    """`cell` with a white margin and its name below."""
    framed = cv2.copyMakeBorder(cell, 4, 22, 4, 4, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    place = (6, framed.shape[0] - 7)
    cv2.putText(framed, caption, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (30, 30, 30), 1, cv2.LINE_AA)
    image: Pixels = framed
    return image
