"""Evaluation during training: the suite's own episodes on held-out videos, played greedily under the run's settings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from natural_mujoco.evaluation.conditions import episode_seeds, select_conditions
from natural_mujoco.evaluation.curves import Setting, setting_of
from natural_mujoco.evaluation.episodes import Moment, Played, play_episodes
from natural_mujoco.evaluation.protocol import Policy

from .collection import environment_arguments, make_environments
from .config import RunConfig


def evaluate(policy: Policy, config: RunConfig, episodes: int) -> tuple[list[Played], NDArray[np.uint8]]:
    """Plays the protocol's first `episodes` episode seeds on natural-test, or on standard for runs trained on it.

    Returns:
        (episodes, the frames of the first one [steps + 1, height, width, 3]).
    """
    seeds = list(episode_seeds(0, episodes))
    width = config.training.evaluation_envs or min(episodes, 10)
    results: list[Played] = []
    film: list[NDArray[np.uint8]] = []

    def look(moment: Moment) -> None:
        if 0 in moment.running and not results:
            film.append(moment.observations[0].copy())

    envs = make_environments(config, width, split="test")
    try:
        for start in range(0, episodes, width):
            chosen = seeds[start : start + width]
            # A last round that is not full is padded with its first seed; the extra episodes are not counted.
            padded = chosen + chosen[:1] * (width - len(chosen))
            results += play_episodes(policy, envs, padded, seen=look)[: len(chosen)]
    finally:
        envs.close()
    return results, np.stack(film)


def evaluation_setting(config: RunConfig) -> Setting:
    """The setting of a run's evaluations, with the name and content hash of its video set. Raises VideoSetError."""
    return setting_of(config.variant == "natural", **environment_arguments(config, "test"))


def record(episode: Played, config: RunConfig, control_steps: int, setting: Setting) -> dict[str, Any]:
    """A line of evaluations.jsonl: an episode's record as in results files, and the setting in which it was played."""
    return {
        "control_steps": control_steps,
        "task": config.task,
        "condition": _condition(config),
        "training_seed": config.seed,
        "episode_seed": episode.seed,
        "return": episode.return_,
        "length": episode.length,
        "video": episode.video,
        "frame": episode.frame,
        "setting": setting.model_dump(mode="json"),
    }


def _condition(config: RunConfig) -> str:
    """The protocol's condition for evaluations during training."""
    if config.variant == "standard":
        return "standard"
    [condition] = select_conditions([f"natural-test@{round(config.environment.strength, 2):g}"])
    return condition
