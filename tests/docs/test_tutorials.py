"""The first pages and the tutorials, followed from an empty folder, and what comes of them."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from natural_mujoco.evaluation.records import read_results

from .code_blocks import ROOT
from .following import Follow


def test_from_the_first_episode_to_the_first_score(follow: Follow, tmp_path: Path) -> None:
    follow("start.md")
    for film in ("walker.gif", "trained.gif"):
        assert (tmp_path / film).stat().st_size > 1_000
    results = read_results(tmp_path / "results" / "ppo.json")
    assert results.entry.name == "My PPO"
    assert [run.action_repeat for run in results.runs] == [4]
    assert "My PPO" in (tmp_path / "site" / "index.html").read_text()


def test_ppo_keeps_what_it_learned_and_remembers_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(tmp_path)
    ppo = importlib.import_module("examples.ppo")
    ppo.RUNS.mkdir(parents=True)
    torch.save(ppo.Agent(6).state_dict(), ppo.RUNS / "walker-walk.pt")
    policy = ppo.Trained("walker-walk", 6)
    policy.reset(2)
    for grey in (10, 20, 30, 40):
        actions = policy.act(np.full((2, 64, 64, 3), grey, np.uint8))
    assert policy.stack[0, ::3, 0, 0].tolist() == [20, 30, 40]
    assert actions.shape == (2, 6)
    assert np.abs(actions).max() <= 1


@pytest.mark.filterwarnings("ignore")
def test_stable_baselines3(follow: Follow, tmp_path: Path) -> None:
    follow("tutorials/stable-baselines3.md")
    assert (tmp_path / "runs" / "sb3-ppo.zip").exists()


def test_torchrl(follow: Follow) -> None:
    batch = follow("tutorials/torchrl.md")["torchrl_rollout"]
    assert batch["next", "observation"].shape == (1, 3, 9, 64, 64)  # type: ignore[index]


def test_an_own_policy_is_evaluated_and_stands_on_a_leaderboard(follow: Follow, tmp_path: Path) -> None:
    follow("tutorials/own-policy.md")
    assert len(read_results(tmp_path / "results" / "swing.json").episodes) == 1
    assert "own_policy" in (tmp_path / "site" / "index.html").read_text()


def test_own_videos_fall_into_both_splits(follow: Follow) -> None:
    splits = follow("tutorials/own-videos.md")["own_videos"]
    assert all(splits[name] for name in ("train", "test"))  # type: ignore[index]


def test_probing_an_encoder(follow: Follow) -> None:
    assert np.isfinite(follow("tutorials/probe.md")["probe_encoder"])  # type: ignore[call-overload]
