"""A probe's data from a dataset of `natural-mujoco episodes record`, for example of an expert's states.

- `Recorded`: the dataset, its environment, and its episodes in the form that a probe needs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from natural_mujoco import InvalidArgument, NaturalMujocoError
from natural_mujoco.demonstrations import METADATA_KEY

from ..training.config import Variant
from .probe_data import ProbeEpisodes, play, stacked


class _Recording(BaseModel):
    """The fields of a recording's description that a probe needs."""

    model_config = ConfigDict(extra="ignore")
    task: str
    variant: Variant
    split: str | None
    videos: str | None
    size: int = Field(ge=46, le=1024)
    action_repeat: int = Field(ge=1, le=1000)


class Recorded:
    """The dataset in `folder`, NAME-vN.

    Raises NaturalMujocoError if Minari is not installed, InvalidArgument if there is no such dataset.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import minari
        except ImportError as error:
            raise NaturalMujocoError(
                f"--episodes needs Minari ({error}). `pip install 'natural-mujoco[demonstrations]'` installs it."
            ) from error
        try:
            self._dataset: Any = minari.MinariDataset(folder / "data")
            self.recording = _Recording.model_validate(self._dataset.storage.metadata[METADATA_KEY])
        except (OSError, KeyError, ValueError, AssertionError, ValidationError) as error:
            raise InvalidArgument(
                f"--episodes {folder} is no dataset of `natural-mujoco episodes record` ({type(error).__name__}: "
                f"{str(error).splitlines()[0][:200]})."
            ) from error
        if self.recording.split == "test":
            raise InvalidArgument(
                f"--episodes {folder} was recorded on test videos: record it with --split train."
            )

    @property
    def count(self) -> int:
        """Number of episodes."""
        return int(self._dataset.total_episodes)

    def environment(self, split: str) -> gym.Env:
        """The recorded environment, in front of the videos of `split`."""
        spec = self._dataset.env_spec
        if self.recording.variant == "standard":
            return gym.make(spec)
        given = spec.kwargs["videos"]
        return gym.make(spec, split=split, videos=self.recording.videos if given == "auto" else given)

    def episodes(self, numbers: range, parts: tuple[str, ...]) -> ProbeEpisodes:
        """The episodes as recorded; `parts` are the names of the state's parts in dm_control's order."""
        return stacked([_as_rows(self._dataset[number], parts) for number in numbers])

    def elsewhere(self, numbers: range, say: Callable[[int], None]) -> tuple[ProbeEpisodes, ProbeEpisodes]:
        """The motion of these episodes in front of held-out videos, and as it was recorded.

        Raises NaturalMujocoError if the recorded actions do not lead to the recorded states any more.
        """
        env = self.environment("test")
        try:
            rows = []
            for done, number in enumerate(numbers, 1):
                episode = self._dataset[number]
                (metadata,) = self._dataset.storage.get_episode_metadata([number])
                rows.append(play(env, _Again(episode.actions), int(metadata["seed"])))
                say(done)
            parts = tuple(env.unwrapped.task_observation)  # type: ignore[attr-defined]
        finally:
            env.close()
        there, here = stacked(rows), self.episodes(numbers, parts)
        if there.states.shape != here.states.shape or not np.allclose(there.states, here.states, atol=1e-4):
            raise NaturalMujocoError(
                "Taking the recorded actions again did not lead to the recorded states: MuJoCo or dm_control have "
                "changed since. Record the episodes anew."
            )
        return there, here


class _Again:
    """A policy that repeats the recorded actions of an episode."""

    def __init__(self, actions: NDArray[np.float32]) -> None:
        self._actions = actions

    def reset(self, num_envs: int) -> None:
        self._next = 0

    def act(self, obs: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._next += 1
        return self._actions[self._next - 1][None]


def _as_rows(
    episode: Any, parts: tuple[str, ...]
) -> tuple[NDArray, NDArray, NDArray, NDArray, tuple[str, ...]]:
    """An episode in the form of `probe_data.play`; row t holds the action and reward that led to frame t."""
    first = np.zeros((1, episode.actions.shape[1]), np.float32)
    state = {
        part: np.reshape(episode.infos["state"][part], (len(episode.observations), -1)) for part in parts
    }
    names = [
        key if value.shape[1] == 1 else f"{key}[{i}]"
        for key, value in state.items()
        for i in range(value.shape[1])
    ]
    return (
        episode.observations,
        np.concatenate([first, episode.actions]),
        np.concatenate([[0], episode.rewards]).astype(np.float32),
        np.concatenate(list(state.values()), 1),
        tuple(names),
    )
