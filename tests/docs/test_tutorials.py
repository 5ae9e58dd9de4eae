"""The first pages and the tutorials are followed, command by command, from an empty folder with `examples/` in it.

Trainings are over at once and evaluations have one episode (`SHORTER`); all else is as the pages say.
"""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from natural_mujoco.cli import main as natural_mujoco
from natural_mujoco.evaluation.records import read_results

from .code_blocks import blocks, commands
from .conftest import ROOT

# What is put behind a command: of flags that are there twice, the last counts.
SHORTER = {
    "natural-mujoco evaluate": "--episodes 1 --conditions natural-test --tasks cartpole-swingup --workers 1",
    "natural-mujoco preview": "--steps 2 --render-size 64",
    "python examples/ppo.py": "--task cartpole-swingup --steps 64 --num-envs 1 --horizon 16",
    "python examples/stable_baselines3_ppo.py": "--steps 16 --num-envs 1 --horizon 16",
    "python examples/torchrl_rollout.py": "--steps 3 --num-envs 1",
    "python examples/probe_encoder.py": "--steps 60",
}
Follow = Callable[[str], dict[str, object]]


@pytest.fixture
def follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Follow:
    """Runs the commands of a page and returns what the scripts among them gave back."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(tmp_path)

    def run(page: str) -> dict[str, object]:
        results = {}
        for block in blocks(ROOT / "docs" / page):
            for words in commands(block) if block.kind == "bash" else ():
                words += shlex.split(SHORTER.get(" ".join(words[:2]), ""))
                if words[0] == "natural-mujoco":
                    assert natural_mujoco(words[1:]) == 0, words
                else:
                    script = Path(words[1])
                    assert words[0] == "python"
                    assert script.parts[0] == "examples", words
                    module = importlib.import_module(f"examples.{script.stem}")
                    results[script.stem] = module.main(words[2:])
        return results

    return run


def test_from_the_first_episode_to_the_first_score(follow: Follow, tmp_path: Path) -> None:
    follow("start.md")
    assert (tmp_path / "walker.gif").stat().st_size > 1_000
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
