"""What is evaluated: the conditions, the fixed episode seeds, and the environment of each.

- `CONDITIONS`: `standard`, `natural-train`, `natural-test`.
- `EPISODES`, `episode_seeds`: ten episodes unless asked otherwise, always the same ones.
- `environment_spec`: the id and keyword arguments behind a task and a condition.
- `expected_background`: the clip and frame that an episode seed leads to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

import numpy as np

from ..backgrounds.manifest import MAX_FRAMES, GeneratedSource, Manifest
from ..errors import InvalidArgument, unknown
from ..tasks import TASKS, find_task

Condition = Literal["standard", "natural-train", "natural-test"]
CONDITIONS: tuple[Condition, ...] = ("standard", "natural-train", "natural-test")
TASK_NAMES = tuple(task.name for task in TASKS.values())

EPISODES = 10
MAX_EPISODES = 10_000
MAX_SEED = 999
SIZE: Final = 64
"""Height and width of what policies see, pixels."""
ACTION_REPEAT = 2
_SEEDS_APART = 1_000_000


def episode_seeds(seed: int, episodes: int) -> tuple[int, ...]:
    """The seeds of the first `episodes` episodes of evaluation `seed`: 1,000,000 · (1 + seed) and on.

    They are the same for every task, condition, entry and training seed, so that entries meet the same initial
    states and backgrounds; and they begin at a million, where no training run that counts from 0 has been.

    >>> episode_seeds(0, 3)
    (1000000, 1000001, 1000002)
    """
    if not 0 <= seed <= MAX_SEED:
        raise InvalidArgument(f"seed={seed} is no evaluation seed: give one from 0 to {MAX_SEED}.")
    if not 1 <= episodes <= MAX_EPISODES:
        raise InvalidArgument(f"episodes={episodes} makes no sense: give 1 to {MAX_EPISODES}.")
    first = _SEEDS_APART * (1 + seed)
    return tuple(range(first, first + episodes))


def video_split(condition: Condition) -> Literal["train", "test"] | None:
    """The half of the video set that plays in a condition; `None` for `standard`."""
    return {"standard": None, "natural-train": "train", "natural-test": "test"}[condition]


def environment_spec(
    task: str, condition: Condition, videos: str | None, action_repeat: int = ACTION_REPEAT
) -> tuple[str, dict[str, Any]]:
    """The Gymnasium id and keyword arguments of a task under a condition; all other arguments are the ids' defaults.

    >>> environment_spec("walker-walk", "natural-test", "embedded")
    ('NaturalMujoco/WalkerWalk-v0', {'action_repeat': 2, 'split': 'test', 'videos': 'embedded'})
    """
    row = find_task(task)
    split = video_split(condition)
    if split is None:
        return row.standard_id, {"action_repeat": action_repeat}
    return row.natural_id, {"action_repeat": action_repeat, "split": split, "videos": videos}


def select_tasks(names: Iterable[str]) -> tuple[str, ...]:
    """The paper's names of the tasks called `names`, in the table's order, `all` for all of them."""
    wanted = {name if name == "all" else find_task(name).name for name in names}
    return tuple(name for name in TASK_NAMES if "all" in wanted or name in wanted)


def select_conditions(names: Iterable[str]) -> tuple[Condition, ...]:
    """The conditions called `names`, in the usual order, `all` for all three."""
    wanted = set(names)
    for name in sorted(wanted - {"all", *CONDITIONS}):
        raise unknown("condition", name, (*CONDITIONS, "all"))
    return tuple(name for name in CONDITIONS if "all" in wanted or name in wanted)


def expected_background(
    manifest: Manifest, condition: Condition, episode_seed: int
) -> tuple[str, int | None]:
    """The clip, and the frame where it is certain, that `reset(seed=episode_seed)` shows first.

    This is the draw that the environment documents: the second child of the seed's sequence gives two uniform
    numbers, for the clip and for the frame. The frame is `None` for sets whose clips' lengths are only
    known once they are decoded.
    """
    split = video_split(condition)
    if split is None:
        raise InvalidArgument("Standard environments have no background.")
    _, background = np.random.SeedSequence(episode_seed).spawn(2)
    position, offset = np.random.default_rng(background).random(2)
    ids = manifest.ids(split)
    clip = ids[int(position * len(ids))]
    if not isinstance(manifest.source, GeneratedSource):
        return clip, None
    frames = next(video.frames for video in manifest.videos if video.id == clip)
    return clip, None if frames is None else int(offset * min(frames, MAX_FRAMES))
