"""Checks the keyword arguments of an id, for single, vector and batched environments alike.

- `Settings`: the checked arguments; `Settings.check` creates them from what a user passed.
- `KEYWORDS`: their names.
- `EPISODE_CONTROL_STEPS`: how long an episode is.
"""

from __future__ import annotations

import inspect
import os
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from .arguments import share, whole_number
from .backgrounds.library import open_videos
from .backgrounds.playback import Playback
from .errors import InvalidArgument, UnsupportedMode, unknown
from .options import MATTES, PLAYBACKS, RENDERINGS, SPLITS, Matte, PlaybackMode, Rendering, Split
from .tasks import Task, find_task

EPISODE_CONTROL_STEPS = 1000
"""Control steps in an episode of each of the ten tasks, after which dm_control truncates it."""

MAX_SIZE = 1024
MAX_RENDER_SIZE = 2048

Word = TypeVar("Word", bound=str)


@dataclass(frozen=True)
class Settings:
    """The arguments of `NaturalMujocoEnv`, with every default filled in; see there for their meaning.

    The fields from `split` to `matte` have no meaning if `natural` is false.
    """

    task: Task
    natural: bool
    split: Split
    videos: str | os.PathLike[str]
    num_videos: int | None
    strength: float
    playback: PlaybackMode
    matte: Matte
    size: int
    action_repeat: int
    rendering: Rendering
    behind: Rendering
    """The rendering of the standard picture that is mixed in if `strength` is below 1."""
    render_mode: str | None
    render_size: int

    @property
    def shows_whole_scene(self) -> bool:
        """Whether observations need the full render (to show or to threshold it) instead of only the foreground."""
        return not self.natural or self.matte == "paper"

    def open_playback(self) -> Playback | None:
        """The playback of the videos; `None` on standard ids. Raises as `open_videos` and `Playback` do."""
        if not self.natural:
            return None
        library = open_videos(self.videos)
        return Playback(library, self.split, self.playback, self.size, self.num_videos)

    @classmethod
    def check(
        cls,
        task: str,
        natural: bool = True,
        *,
        split: Split | None = None,
        videos: str | os.PathLike[str] | None = None,
        num_videos: int | None = None,
        strength: float | None = None,
        playback: PlaybackMode | None = None,
        matte: Matte | None = None,
        size: int = 64,
        action_repeat: int = 2,
        rendering: Rendering | None = None,
        render_mode: str | None = None,
        render_size: int = 480,
    ) -> Settings:
        """The settings for these arguments, with defaults filled in.

        Raises `InvalidArgument` for the first argument that is invalid; the message lists the valid values.
        """
        found = find_task(task)
        if not isinstance(natural, bool | np.bool_):
            raise InvalidArgument(f"natural is {natural!r}; it must be True or False.")
        if not natural:
            _refuse_video_arguments(
                found.natural_id,
                split=split,
                videos=videos,
                num_videos=num_videos,
                strength=strength,
                playback=playback,
                matte=matte,
            )
        split = _one_of("split", split, SPLITS)
        playback = _one_of("playback", playback, PLAYBACKS)
        matte = _one_of("matte", matte, MATTES)
        strength = 1.0 if strength is None else share("strength", strength)
        full_render = not natural or matte == "paper"
        chosen = _one_of("rendering", rendering, RENDERINGS if full_render else RENDERINGS[::-1])
        behind = RENDERINGS[0] if rendering is None else chosen
        size = whole_number("size", size, 1, MAX_SIZE)
        action_repeat = whole_number("action_repeat", action_repeat, 1, EPISODE_CONTROL_STEPS)
        render_size = whole_number("render_size", render_size, 1, MAX_RENDER_SIZE)
        if render_mode not in (None, "rgb_array"):
            raise UnsupportedMode(f"Unknown render_mode {render_mode!r}. Valid: None, 'rgb_array'.")
        return cls(
            found,
            bool(natural),
            split,
            "auto" if videos is None else videos,
            num_videos,
            strength,
            playback,
            matte,
            size,
            action_repeat,
            chosen,
            behind,
            render_mode,
            render_size,
        )


KEYWORDS = tuple(
    name for name in inspect.signature(Settings.check).parameters if name not in ("task", "natural")
)
"""The keyword arguments of an id: all but `task` and `natural`, which the id itself sets."""


def _one_of(name: str, value: Word | None, valid: tuple[Word, ...]) -> Word:
    """`value`, or the first of `valid` for `None`."""
    if value is None:
        return valid[0]
    if not isinstance(value, str) or value not in valid:
        raise unknown(name, value, valid)
    return value


def _refuse_video_arguments(natural_id: str, **arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise InvalidArgument(
                f"{name}={value!r} means nothing on a standard environment, which shows no video. "
                f"Use {natural_id!r} or leave it out."
            )
