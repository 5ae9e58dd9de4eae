"""Which episodes there are, and that the environments really show what the check expects of them."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import pytest

from natural_mujoco.backgrounds.manifest import load_manifest
from natural_mujoco.errors import InvalidArgument
from natural_mujoco.evaluation.conditions import (
    CONDITIONS,
    TASK_NAMES,
    environment_spec,
    episode_seeds,
    expected_background,
    select_conditions,
    select_tasks,
)


def test_episode_seeds_are_fixed_for_ever() -> None:
    assert episode_seeds(0, 10) == tuple(range(1_000_000, 1_000_010))
    assert episode_seeds(3, 2) == (4_000_000, 4_000_001)
    assert episode_seeds(0, 3) == episode_seeds(0, 10)[:3]


@pytest.mark.parametrize(("seed", "episodes"), [(-1, 10), (1000, 10), (0, 0), (0, 10_001)])
def test_seeds_and_numbers_that_make_no_sense(seed: int, episodes: int) -> None:
    with pytest.raises(InvalidArgument):
        episode_seeds(seed, episodes)


@pytest.mark.parametrize("task", TASK_NAMES)
def test_every_task_and_condition_names_an_environment(task: str) -> None:
    for condition in CONDITIONS:
        env_id, kwargs = environment_spec(task, condition, "embedded")
        assert env_id in gym.registry
        assert (
            kwargs.get("split")
            == {"standard": None, "natural-train": "train", "natural-test": "test"}[condition]
        )


def test_names_are_selected_in_the_tables_order() -> None:
    assert select_tasks(["pendulum-swingup", "WalkerWalk"]) == ("walker-walk", "pendulum-swingup")
    assert select_tasks(["all"]) == TASK_NAMES
    assert select_conditions(["natural-test", "standard"]) == ("standard", "natural-test")
    assert select_conditions(["all"]) == CONDITIONS
    with pytest.raises(InvalidArgument, match=r"Unknown task 'walker-fly'\. Valid: walker-walk"):
        select_tasks(["walker-fly"])
    with pytest.raises(InvalidArgument, match="Unknown condition 'natural'"):
        select_conditions(["natural"])


@pytest.mark.parametrize("condition", ["natural-train", "natural-test"])
def test_the_background_of_an_episode_is_the_expected_one(plain_clips: Path, condition: str) -> None:
    manifest = load_manifest(plain_clips)
    env_id, kwargs = environment_spec("pendulum-swingup", condition, str(plain_clips))  # type: ignore[arg-type]
    env = gym.make(env_id, **kwargs)
    try:
        for seed in episode_seeds(0, 12):
            video, frame = expected_background(manifest, condition, seed)  # type: ignore[arg-type]
            _, info = env.reset(seed=seed)
            assert info["background"]["video"] == video
            assert frame is None  # the length of a decoded clip is not known before
    finally:
        env.close()


def test_the_embedded_sets_frames_are_expected_too() -> None:
    env_id, kwargs = environment_spec("pendulum-swingup", "natural-test", "embedded")
    env = gym.make(env_id, **kwargs)
    try:
        for seed in episode_seeds(0, 2):
            _, info = env.reset(seed=seed)
            background = info["background"]
            assert expected_background(load_manifest("embedded"), "natural-test", seed) == (
                background["video"],
                background["frame"],
            )
    finally:
        env.close()


def test_a_strength_has_one_name() -> None:
    asked = [
        "natural-test@0.50",
        "natural-test@.5",
        "natural-train@0.25",
        "natural-test@1",
        "natural-train@0",
    ]
    assert select_conditions(asked) == ("standard", "natural-train@0.25", "natural-test@0.5", "natural-test")
    assert environment_spec("walker-walk", "natural-test@0.5", "embedded")[1]["strength"] == 0.5
    assert "strength" not in environment_spec("walker-walk", "natural-test", "embedded")[1]
    manifest = load_manifest("embedded")
    assert expected_background(manifest, "natural-test@0.5", 7) == expected_background(
        manifest, "natural-test", 7
    )
    for name in (
        "natural-test@2",
        "natural-test@-1",
        "natural-test@nan",
        "natural-test@x",
        "natural-test@0.125",
    ):
        with pytest.raises(InvalidArgument, match="must be a number from 0 to 1 with two decimals at most"):
            select_conditions([name])
    with pytest.raises(InvalidArgument, match=r"Unknown condition 'standard@0\.5'"):
        select_conditions(["standard@0.5"])
