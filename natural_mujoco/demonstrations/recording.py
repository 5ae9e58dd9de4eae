"""Describes a recording of demonstrations, and records it.

- `Kind`: a policy and the noise on its actions.
- `Recording`: a task, its videos, the kinds of episodes, and a seed from which every episode's seed is derived.
- `record`: plays and writes the episodes that are missing in a folder.
- `Progress`: callbacks for progress; override its methods to show it.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gymnasium as gym
import numpy as np

import natural_mujoco  # noqa: F401  (registers the ids)

from ..backgrounds.library import open_videos
from ..errors import FileError, InvalidArgument
from ..evaluation.conditions import SIZE
from ..evaluation.policy_loading import load_policy
from ..evaluation.policy_source import PolicySource, find_policy
from ..options import Split
from ..settings import EPISODE_CONTROL_STEPS
from ..tasks import find_task
from .episode import EpisodeData, play

METADATA_KEY = "natural_mujoco_recording"
"""The key of a dataset's metadata.json under which the recording is described."""

MAX_EPISODES = 1_000_000
MAX_NOISE = 10.0


@dataclass(frozen=True)
class Kind:
    """A kind of episode: a policy, and the standard deviation of the Gaussian noise on its actions."""

    source: PolicySource
    noise: float

    def __str__(self) -> str:
        return f"{self.source.name} with noise {self.noise:g}" if self.noise else self.source.name


@dataclass(frozen=True)
class Recording:
    """Episodes of one task. Episode k is of kind `kinds[k % len(kinds)]`; its seed follows from `seed` and k."""

    task: str
    kinds: tuple[Kind, ...]
    variant: Literal["natural", "standard"] = "natural"
    split: Split = "train"
    videos: str = "auto"
    size: int = SIZE
    action_repeat: int = 2
    seed: int = 0

    @staticmethod
    def of(
        task: str,
        policies: Sequence[str],
        noises: Sequence[float] = (0.0,),
        action_repeat: int | None = None,
        **others: Any,
    ) -> Recording:
        """The recording of every policy with every noise level; `zero` and `random` are recorded without noise.

        Policies are `zero`, `random`, `expert` or run directories of the bundled agents trained on `task`. By default
        `action_repeat` is that of the runs, or 2 if there are none; `others` are further fields of `Recording`.
        Raises `InvalidArgument` for an unknown policy or noise, and if action repeats differ.
        """
        name = find_task(task).name
        for noise in noises:
            if not 0 <= noise <= MAX_NOISE:
                raise InvalidArgument(f"--noise is {noise}; it must be from 0 to {MAX_NOISE:g}.")
        kinds = []
        for text in policies:
            source = find_policy(text)
            if source.kind == "factory":
                raise InvalidArgument(f"--policy {text!r}: record zero, random, expert or a run directory.")
            if source.task not in (None, name):
                raise InvalidArgument(
                    f"--policy {text} was trained on {source.task}, and {name} is recorded. Give a run of {name}."
                )
            size = others.get("size", SIZE)
            if source.kind == "run" and source.size != size:
                raise InvalidArgument(
                    f"--policy {text} reads frames of {source.size} pixels, and those recorded have {size}: "
                    f"give --size {source.size}."
                )
            disturbed = source.kind in ("expert", "run")
            kinds += [Kind(source, float(noise)) for noise in (noises if disturbed else (0.0,))]
        repeats = {kind.source.action_repeat for kind in kinds if kind.source.kind == "run"}
        repeats |= set() if action_repeat is None else {action_repeat}
        if len(repeats) > 1:
            raise InvalidArgument(
                f"Action repeats of {', '.join(map(str, sorted(repeats)))} in one dataset: record the runs apart, "
                "or leave --action-repeat out."
            )
        return Recording(name, tuple(dict.fromkeys(kinds)), action_repeat=min(repeats, default=2), **others)

    def environment(self) -> gym.Env[Any, Any]:
        """Creates the environment that is recorded. Raises as `NaturalMujocoEnv` does."""
        task = find_task(self.task)
        look: dict[str, Any] = {"size": self.size, "action_repeat": self.action_repeat}
        if self.variant == "standard":
            return gym.make(task.standard_id, **look)
        return gym.make(task.natural_id, split=self.split, videos=self.videos, **look)

    def seeds(self, episodes: int) -> list[int]:
        """The seeds of the first `episodes` episodes; asking for more only appends to them."""
        return [int(s) for s in np.random.SeedSequence([self.seed, 7]).generate_state(episodes)]

    def describe(self) -> dict[str, Any]:
        """Everything that decides the content of the episodes, for metadata.json."""
        natural = self.variant == "natural"
        library = open_videos(self.videos) if natural else None
        return {
            "task": self.task,
            "variant": self.variant,
            "split": self.split if natural else None,
            "videos": library and library.name,
            "videos_hash": library and library.content_hash,
            "size": self.size,
            "action_repeat": self.action_repeat,
            "seed": self.seed,
            "policies": [str(kind) for kind in self.kinds],
            "weights": [kind.source.digest for kind in self.kinds],
        }


class Progress:
    """Callbacks for the progress of a recording. These do nothing."""

    def begin(self, episodes: int, present: int, size: int) -> None:
        """Called at the start: of `episodes`, `present` are there already; the others take at most `size` bytes."""

    def finished(self, kind: Kind, return_: float) -> None:
        """Called when an episode of `kind` with the given return has been written."""


def record(recording: Recording, episodes: int, folder: Path, progress: Progress | None = None) -> int:
    """Plays and writes those of the first `episodes` episodes that are missing in `folder`.

    Returns how many episodes the folder then holds. If it is interrupted, the episodes written so far stay, and the
    same call continues with the others.

    Raises:
        InvalidArgument: the folder holds something else, or Minari cannot load a dataset of its name.
        LockHeld: another process records there.
        FileError: the disk has too little room, or the folder cannot be written to.
    """
    from .dataset import Dataset

    progress = progress or Progress()
    if not 1 <= episodes <= MAX_EPISODES:
        raise InvalidArgument(f"--episodes is {episodes}; it must be from 1 to {MAX_EPISODES:,}.")
    with Dataset.held(folder, recording.describe()) as dataset:
        env = recording.environment()
        try:
            present = dataset.present()
            missing = sorted(set(range(episodes)) - present)
            size = len(missing) * _bytes(env, recording)
            _require_room(folder, size)
            dataset.begin(env, f"{find_task(recording.task).natural_id} by natural-mujoco episodes record")
            progress.begin(max(episodes, len(present)), len(present), size)
            seeds, policies = recording.seeds(episodes), dict[PolicySource, Any]()
            (action_size,) = env.action_space.shape or ()
            for number in missing:
                kind = recording.kinds[number % len(recording.kinds)]
                if kind.source not in policies:
                    policies[kind.source] = load_policy(kind.source, recording.task, action_size)
                episode = play(env, policies[kind.source], seeds[number], kind.noise)
                dataset.add(number, seeds[number], episode, _attributes(kind, episode))
                progress.finished(kind, float(episode.rewards.sum()))
            return len(dataset.present())
        finally:
            env.close()


def _attributes(kind: Kind, episode: EpisodeData) -> dict[str, Any]:
    return {
        "policy": kind.source.name,
        "noise": kind.noise,
        "privileged": kind.source.privileged or "",
        "return": float(episode.rewards.sum()),
    }


def _bytes(env: gym.Env[Any, Any], recording: Recording) -> int:
    """Size of an episode without compression, in bytes."""
    steps = EPISODE_CONTROL_STEPS // recording.action_repeat + 1
    underneath = env.unwrapped.dm_control_env  # type: ignore[attr-defined]
    numbers = sum(part.size for part in env.unwrapped.task_observation.values())  # type: ignore[attr-defined]
    numbers += underneath.physics.get_state().size
    (action_size,) = env.action_space.shape or ()
    return int(steps * (4 * recording.size**2 + 8 * numbers + 4 * action_size + 64))


def _require_room(folder: Path, size: int) -> None:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if size > free:
        raise FileError(
            f"The episodes take up to {size / 1e9:.1f} GB and {there} has {free / 1e9:.1f} GB left: free some space, "
            "ask for fewer --episodes, or give --out another disk."
        )
