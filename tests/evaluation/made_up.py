"""Made-up results files: complete, consistent, and of any quality and size that a test wants."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from natural_mujoco.backgrounds.manifest import load_manifest
from natural_mujoco.evaluation.conditions import (
    CONDITIONS,
    TASK_NAMES,
    Condition,
    episode_seeds,
    expected_background,
)
from natural_mujoco.evaluation.records import Curve, Entry, Episode, Machine, Protocol, Results, Run, VideoSet
from natural_mujoco.evaluation.scores import summarise

MACHINE = Machine(
    versions={"natural-mujoco": "0.1.0", "mujoco": "3.17.0"}, gl_renderer="llvmpipe", platform="Linux x86_64"
)
LOSSES = {"standard": 1.0, "natural-train": 0.9, "natural-test": 0.8}


def make_results(
    name: str = "made up",
    level: float = 0.6,
    *,
    training_seeds: int = 2,
    episodes: int = 10,
    tasks: Sequence[str] = TASK_NAMES,
    conditions: Sequence[Condition] = CONDITIONS,
    videos: str = "embedded",
    curves: bool = False,
    **entry: Any,
) -> Results:
    """An entry that scores about `level` on standard and loses a tenth to each kind of video."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    manifest = load_manifest(videos)
    records = []
    for task in tasks:
        ability = level * rng.uniform(0.6, 1.1)
        for condition in conditions:
            for training_seed in range(training_seeds):
                run = ability * LOSSES[condition] + rng.normal(0, 0.05)
                for seed in episode_seeds(0, episodes):
                    video, frame = None, None
                    if condition != "standard":
                        video, frame = expected_background(manifest, condition, seed)
                        frame = 7 if frame is None else frame
                    records.append(
                        Episode.model_validate(
                            {
                                "task": task,
                                "condition": condition,
                                "training_seed": training_seed,
                                "episode_seed": seed,
                                "return": round(float(np.clip(run + rng.normal(0, 0.03), 0, 1)) * 1000, 3),
                                "length": 1000,
                                "video": video,
                                "frame": frame,
                            }
                        )
                    )
    results = Results(
        entry=Entry(name=name, **entry),
        protocol=Protocol(episodes=episodes),
        video_set=VideoSet(name=manifest.name, manifest_hash=manifest.content_hash),
        runs=tuple(
            Run(
                policy=f"runs/{seed}",
                training_seed=seed,
                tasks=tuple(tasks),
                conditions=tuple(conditions),
                training_steps=1_000_000,
                trained_on="natural",
            )
            for seed in range(training_seeds)
        ),
        machines=(MACHINE,),
        episodes=tuple(records),
        curves=_curves(tasks, training_seeds, level) if curves else (),
    )
    return results.model_copy(update={"summary": summarise(results)})


def _curves(tasks: Sequence[str], training_seeds: int, level: float) -> tuple[Curve, ...]:
    steps = tuple(range(50_000, 1_000_001, 50_000))
    return tuple(
        Curve(
            task=task,
            condition="natural-test",
            training_seed=seed,
            steps=steps,
            returns=tuple(1000 * level * k / len(steps) for k in range(1, len(steps) + 1)),
        )
        for task in tasks
        for seed in range(training_seeds)
    )
