"""The conditions of an evaluation, the fixed episode seeds, and the environment of each condition.

- `CONDITIONS`: `standard`, `natural-train`, `natural-test`. The latter two also exist at less than full strength of the
  video, such as `natural-test@0.5`; see `strength_of`, `place_of`.
- `EPISODES`, `episode_seeds`: ten episodes by default, always with the same seeds.
- `environment_spec`: the id and keyword arguments for a task and a condition.
- `expected_background`: the clip and frame that an episode seed leads to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, get_args

import numpy as np

from ..backgrounds.manifest import MAX_FRAMES, GeneratedSource, Manifest
from ..errors import InvalidArgument, unknown
from ..tasks import TASKS, find_task
from .fields import Condition

__all__ = ["Condition"]

Whole = Literal["standard", "natural-train", "natural-test"]
CONDITIONS: tuple[Whole, ...] = get_args(Whole)
"""The conditions under which all entries are measured."""
_ORDER: tuple[str, ...] = CONDITIONS
TASK_NAMES = tuple(task.name for task in TASKS.values())

EPISODES = 10
MAX_EPISODES = 10_000
MAX_SEED = 999
SIZE: Final = 64
"""Height and width of observations, in pixels."""
ACTION_REPEAT = 2
_SEEDS_APART = 1_000_000


def episode_seeds(seed: int, episodes: int) -> tuple[int, ...]:
    """The seeds of the first `episodes` episodes of evaluation `seed`: 1,000,000 · (1 + seed) and following.

    They are the same for every task, condition, entry and training seed, so that all entries get the same initial
    states and backgrounds. They begin at a million, so that runs whose seeds count from 0 have not trained on them.

    >>> episode_seeds(0, 3)
    (1000000, 1000001, 1000002)
    """
    if not 0 <= seed <= MAX_SEED:
        raise InvalidArgument(f"seed={seed} is no evaluation seed: give one from 0 to {MAX_SEED}.")
    if not 1 <= episodes <= MAX_EPISODES:
        raise InvalidArgument(f"episodes={episodes} makes no sense: give 1 to {MAX_EPISODES}.")
    first = _SEEDS_APART * (1 + seed)
    return tuple(range(first, first + episodes))


def strength_of(condition: Condition) -> float:
    """How strongly the video shows in a condition, from 0 to 1.

    >>> strength_of("natural-test@0.25"), strength_of("natural-test"), strength_of("standard")
    (0.25, 1.0, 0.0)
    """
    name, _, strength = condition.partition("@")
    return float(strength) if strength else float(name != "standard")


def place_of(condition: Condition) -> tuple[int, float]:
    """A sort key that brings conditions into the order of the tables.

    >>> sorted(["natural-test", "natural-test@0.5", "standard"], key=place_of)
    ['standard', 'natural-test@0.5', 'natural-test']
    """
    return _ORDER.index(condition.partition("@")[0]), strength_of(condition)


def video_split(condition: Condition) -> Literal["train", "test"] | None:
    """The split of the video set that is played in a condition; `None` for `standard`."""
    halves: dict[str, Literal["train", "test"] | None]
    halves = {"standard": None, "natural-train": "train", "natural-test": "test"}
    return halves[condition.partition("@")[0]]


def environment_spec(
    task: str, condition: Condition, videos: str | None, action_repeat: int = ACTION_REPEAT
) -> tuple[str, dict[str, Any]]:
    """The Gymnasium id and keyword arguments of a task under a condition; other arguments keep their defaults.

    >>> environment_spec("walker-walk", "natural-test", "embedded")
    ('NaturalMujoco/WalkerWalk-v0', {'action_repeat': 2, 'split': 'test', 'videos': 'embedded'})
    """
    row = find_task(task)
    split = video_split(condition)
    if split is None:
        return row.standard_id, {"action_repeat": action_repeat}
    arguments: dict[str, Any] = {"action_repeat": action_repeat, "split": split, "videos": videos}
    if strength_of(condition) < 1:
        arguments["strength"] = strength_of(condition)
    return row.natural_id, arguments


def select_tasks(names: Iterable[str]) -> tuple[str, ...]:
    """The paper's names of the tasks called `names` (`all` for all), in the order of `TASKS`."""
    wanted = {name if name == "all" else find_task(name).name for name in names}
    return tuple(name for name in TASK_NAMES if "all" in wanted or name in wanted)


def select_conditions(names: Iterable[str]) -> tuple[Condition, ...]:
    """The conditions called `names` (`all` for the three of `CONDITIONS`), in the order of the tables.

    >>> select_conditions(["natural-test@0.50", "natural-test@0", "natural-train@1"])
    ('standard', 'natural-train', 'natural-test@0.5')
    """
    wanted: set[Condition] = set()
    for name in names:
        wanted.update(CONDITIONS if name == "all" else (_condition(name),))
    return tuple(sorted(wanted, key=place_of))


def _condition(name: str) -> Condition:
    """The canonical name of the condition called `name`; at strength 0 it is `standard`."""
    base, at, text = name.partition("@")
    if base not in CONDITIONS or (at and base == "standard"):
        raise unknown("condition", name, (*CONDITIONS, "all", "natural-test@0.5"))
    if not at:
        return base
    try:
        strength = float(text)
    except ValueError:
        strength = -1.0
    if not 0 <= strength <= 1 or strength != round(strength, 2):
        raise InvalidArgument(
            f"The strength in {name!r} must be a number from 0 to 1 with two decimals at most, as in {base}@0.5."
        )
    return {0.0: "standard", 1.0: base}.get(strength, f"{base}@{strength:g}")


def expected_background(
    manifest: Manifest, condition: Condition, episode_seed: int
) -> tuple[str, int | None]:
    """The clip, and the frame if it can be known, that `reset(seed=episode_seed)` shows first.

    The draw is that of `NaturalMujocoEnv`: the second child of the seed's sequence gives two uniform numbers, for the
    clip and for the frame. The frame is `None` for sets whose clips' lengths are only known after decoding. Raises
    `InvalidArgument` for `standard`.
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
