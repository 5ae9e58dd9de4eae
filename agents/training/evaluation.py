"""Evaluation during training: whole episodes on held-out videos, greedily, in environments of their own."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from natural_mujoco.evaluation.conditions import episode_seeds
from natural_mujoco.evaluation.protocol import Policy

from .collection import make_environments
from .config import RunConfig


class EvaluationEpisode(NamedTuple):
    """One episode: the fields of the suite's records (`natural_mujoco.evaluation.records`) that a run knows."""

    episode_seed: int
    episode_return: float
    length: int  # control steps
    video: str | None
    frame: int | None  # of the first observation

    def record(self, config: RunConfig) -> dict[str, Any]:
        """A line of evaluations.jsonl."""
        return {
            "task": config.task,
            "condition": "natural-test" if config.variant == "natural" else "standard",
            "training_seed": config.seed,
            "episode_seed": self.episode_seed,
            "return": self.episode_return,
            "length": self.length,
            "video": self.video,
            "frame": self.frame,
        }


def evaluate(
    policy: Policy, config: RunConfig, episodes: int
) -> tuple[list[EvaluationEpisode], NDArray[np.uint8]]:
    """Run the protocol's first `episodes` episode seeds on natural-test, or on standard where that was trained on.

    Returns:
        (episodes, the frames of the first one [steps + 1, height, width, 3]).
    """
    seeds = list(episode_seeds(0, episodes))
    width = config.training.evaluation_envs or min(episodes, 10)
    results: list[EvaluationEpisode] = []
    film: list[NDArray[np.uint8]] = []
    envs = make_environments(config, width, split="test")
    try:
        for start in range(0, episodes, width):
            chosen = seeds[start : start + width]
            # A last round that is not full repeats its first seed; what that gives is not counted.
            padded = chosen + chosen[:1] * (width - len(chosen))
            results += _round(policy, envs, padded, film if start == 0 else [])[: len(chosen)]
    finally:
        envs.close()
    return results, np.stack(film)


def _round(policy: Policy, envs: Any, seeds: list[int], film: list[NDArray[np.uint8]]) -> list:
    frames, info = envs.reset(seed=seeds)
    background = info.get("background")
    if hasattr(policy, "seed"):
        policy.seed(seeds)
    policy.reset(len(seeds))
    returns, lengths = np.zeros(len(seeds)), np.zeros(len(seeds), np.int64)
    alive = np.ones(len(seeds), bool)
    film.append(frames[0])
    while alive.any():
        frames, rewards, terminated, truncated, info = envs.step(policy.act(frames))
        returns += rewards * alive
        lengths = np.where(alive, info["control_steps"], lengths)
        if alive[0]:
            film.append(frames[0])
        alive &= ~(terminated | truncated)
    return [
        EvaluationEpisode(
            seed,
            float(returns[i]),
            int(lengths[i]),
            None if background is None else str(background["video"][i]),
            None if background is None else int(background["frame"][i]),
        )
        for i, seed in enumerate(seeds)
    ]
