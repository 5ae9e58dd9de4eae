"""The tutorials' scripts run, each for a moment."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from natural_mujoco.cli import main as natural_mujoco
from natural_mujoco.evaluation.records import read_results

from .conftest import ROOT


@pytest.fixture(autouse=True)
def in_a_folder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(tmp_path)


def run(name: str, *arguments: str) -> object:
    return importlib.import_module(f"examples.{name}").main(arguments)


def test_ppo_trains_and_its_policy_acts(plain_clips: Path, tmp_path: Path) -> None:
    videos = ("--videos", str(plain_clips))
    weights = run("ppo", "--steps", "64", "--num-envs", "1", "--horizon", "16", *videos)
    assert Path(str(weights)).stat().st_size > 100_000
    policy = importlib.import_module("examples.ppo").Trained("walker-walk", 6)
    policy.reset(2)
    for _ in range(2):
        actions = policy.act(np.zeros((2, 64, 64, 3), np.uint8))
    assert actions.shape == (2, 6)
    assert np.abs(actions).max() <= 1


def test_stable_baselines3(plain_clips: Path, tmp_path: Path) -> None:
    run(
        "stable_baselines3_ppo",
        "--steps",
        "16",
        "--num-envs",
        "2",
        "--horizon",
        "8",
        "--videos",
        str(plain_clips),
    )
    assert (tmp_path / "runs" / "sb3-ppo.zip").exists()


def test_torchrl(plain_clips: Path) -> None:
    batch = run("torchrl_rollout", "--steps", "3", "--num-envs", "2", "--videos", str(plain_clips))
    assert batch["next", "observation"].shape == (2, 3, 9, 64, 64)  # type: ignore[index]


def test_an_own_policy_is_evaluated_and_stands_on_a_leaderboard(tmp_path: Path) -> None:
    evaluate = (
        "evaluate --policy examples.own_policy:Swing --tasks cartpole-swingup --conditions natural-test"
    )
    assert (
        natural_mujoco([*evaluate.split(), "--episodes", "1", "--videos", "embedded", "--out", "swing.json"])
        == 0
    )
    assert len(read_results(tmp_path / "swing.json").episodes) == 1
    assert natural_mujoco(["leaderboard", "build", "swing.json", "--out", "site"]) == 0
    assert "own_policy" in (tmp_path / "site" / "index.html").read_text()


def test_own_videos_fall_into_both_splits() -> None:
    splits = run("own_videos")
    assert all(splits[name] for name in ("train", "test"))  # type: ignore[index]


def test_probing_an_encoder(plain_clips: Path) -> None:
    assert np.isfinite(run("probe_encoder", "--steps", "60", "--videos", str(plain_clips)))  # type: ignore[call-overload]
