"""Pictures of environments: rolled-out frames, and files of them.

- `roll_out`: frames of an episode under a policy; `actor`: an expert, or smooth random actions.
- `visitor`: a policy of the user's, for `roll_out`.
- `write_pictures`: writes frames to a PNG, GIF or MP4.
- `task_sheet`: one picture of all tasks, standard above natural.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import gymnasium as gym
import imageio.v3 as iio
import numpy as np

from ..errors import InvalidArgument, unknown
from ..evaluation.episodes import moments
from ..evaluation.guarded import Guarded
from ..evaluation.policy_loading import load_policy
from ..evaluation.policy_source import PolicySource
from ..evaluation.protocol import Actions, Observations, Policy
from ..experts import EXPERTS
from ..experts.policy import ExpertPolicy
from ..rendering.matting import Pixels
from ..tasks import TASKS

FORMATS = (".png", ".gif", ".mp4")
ACTORS = ("random", "expert")


class SmoothRandom:
    """A policy whose random actions change gradually (an autoregressive process), so that movements look natural."""

    def __init__(self, action_size: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._action = np.zeros((1, action_size), np.float32)

    def reset(self, num_envs: int) -> None:
        """Starts the process again from zero."""
        self._action = np.zeros((num_envs, self._action.shape[1]), np.float32)

    def act(self, obs: Observations) -> Actions:
        """The next actions of the process."""
        moved = 0.9 * self._action + 0.4 * self._rng.standard_normal(self._action.shape)
        self._action = np.clip(moved, -1, 1).astype(np.float32)
        return self._action


def actor(env: gym.Env[Any, Any], policy: str, seed: int) -> Policy:
    """The policy for `env`, one of this package's: its task's `"expert"`, or `"random"`, a `SmoothRandom` from `seed`.

    Raises `ExpertError` if the task has no expert, `InvalidArgument` for another name.
    """
    if policy == "random":
        return SmoothRandom(int(np.prod(env.action_space.shape or ())), seed)
    if policy != "expert":
        raise unknown("policy", policy, ACTORS)
    expert = ExpertPolicy(env.unwrapped.task.name)  # type: ignore[attr-defined]
    expert.attach([env])
    return expert


def visitor(env: gym.Env[Any, Any], source: PolicySource) -> Policy:
    """The policy of `source`, loaded to act in `env`.

    Raises `InvalidArgument` if it was trained on another task, `PolicyError` if it cannot be loaded. The faults that it
    makes in acting are `PolicyError`, too.
    """
    task = env.unwrapped.task.name  # type: ignore[attr-defined]
    if source.task not in (None, task):
        raise InvalidArgument(
            f"--policy {source.text} was trained on {source.task}: give that task, not {task}."
        )
    size = int(np.prod(env.action_space.shape or ()))
    return Guarded(load_policy(source, task, size), source.name, task, (1, size), passed=(KeyboardInterrupt,))


def roll_out(
    env: gym.Env[Any, Any], steps: int, seed: int, pixels: str = "render", policy: str | Policy = "random"
) -> list[Pixels]:
    """`steps` frames of the episodes with seeds `seed`, `seed + 1`, …, one for each agent step.

    `pixels` is `"observation"`, or `"render"` for `render()`'s picture; `policy` is a policy, or `"expert"` or
    `"random"`, as for `actor`.
    """
    acting = actor(env, policy, seed) if isinstance(policy, str) else policy
    frames: list[Pixels] = []
    for number in itertools.count(seed):
        for moment in moments(acting, [env], [number]):
            if len(frames) == steps:
                return frames
            frames.append(moment.observations[0].copy() if pixels == "observation" else env.render())  # type: ignore[arg-type]
    raise AssertionError


def check_format(path: Path) -> None:
    """Raises `InvalidArgument` if `write_pictures` cannot write files with the ending of `path`."""
    if path.suffix.lower() not in FORMATS:
        raise unknown("picture format", path.suffix or path.name, FORMATS)


def write_pictures(path: Path, frames: Sequence[Pixels], fps: float) -> None:
    """Writes the middle one of `frames` to a `.png`, or all of them to a `.gif` or `.mp4`.

    Frames are `uint8[h, w, 3]`, with h and w even for MP4. Raises `InvalidArgument` for another ending and if there are
    no frames, `OSError` if the file cannot be written.
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


def task_sheet(videos: str, split: str = "train", side: int = 192, steps: int = 60, seed: int = 3) -> Pixels:
    """All tasks in five columns, played by experts: each standard picture above the natural one of the same state.

    `uint8[rows * 2 * (side + gap), 5 * (side + gap), 3]`; the natural cells show different videos.
    """
    cells = []
    for number, task in enumerate(TASKS.values()):
        look: dict[str, Any] = {"render_mode": "rgb_array", "render_size": side}
        standard = gym.make(task.standard_id, rendering="fast", **look)  # for observations, not shown here
        natural = gym.make(task.natural_id, videos=videos, split=split, size=128, **look)
        above, below = (_picture_after(env, steps, seed + number) for env in (standard, natural))
        standard.close()
        natural.close()
        cells.append(_captioned(np.vstack([above, below]), task.name))
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % 5)
    rows = [np.hstack(cells[first : first + 5]) for first in range(0, len(cells), 5)]
    return np.vstack(rows)


def _picture_after(env: gym.Env[Any, Any], steps: int, seed: int) -> Pixels:
    """The picture `steps` agent steps after the reset, played by the task's expert if it has one."""
    skilled = env.unwrapped.task.name in EXPERTS  # type: ignore[attr-defined]
    for number, _ in enumerate(moments(actor(env, "expert" if skilled else "random", seed), [env], [seed])):
        if number == steps:
            return env.render()  # type: ignore[return-value]
    raise InvalidArgument(f"steps={steps} is longer than an episode.")


def _captioned(cell: Pixels, caption: str) -> Pixels:
    """`cell` with a white margin and its name below."""
    framed = cv2.copyMakeBorder(cell, 4, 22, 4, 4, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    place = (6, framed.shape[0] - 7)
    cv2.putText(framed, caption, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (30, 30, 30), 1, cv2.LINE_AA)
    image: Pixels = framed
    return image
