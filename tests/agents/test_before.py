"""Run folders that earlier versions wrote: before/*.tar.xz hold tiny runs on cartpole-swingup, action repeat 100."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import agents
from agents.training.run_folder import read_config
from agents.training.trainer import Trainer

BEFORE = Path(__file__).parent / "before"


def unpacked(name: str, folder: Path) -> Path:
    with tarfile.open(BEFORE / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / name


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", ["cvrl", "dreamer", "sac"])
def test_their_policies_load(tmp_path: Path, name: str) -> None:
    run = unpacked(name, tmp_path)
    policy = agents.load(run, device="cpu")
    assert policy.training_steps == 1500
    (state,) = run.glob("checkpoints/*/state.json")
    assert policy.digest == json.loads(state.read_text())["sha256"]
    policy.reset(2)
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    assert np.isfinite(policy.act(frames)).all()


def test_their_runs_go_on_where_they_were(tmp_path: Path) -> None:
    run = unpacked("cvrl", tmp_path)
    before = {name: (run / f"{name}.jsonl").read_bytes() for name in ("metrics", "episodes", "evaluations")}
    trainer = Trainer(replace(read_config(run), logdir=run, steps=1700))
    assert (trainer.control_steps, trainer.updates, trainer.replay.rows) == (1500, 10, 17)
    trainer.run()
    assert (trainer.control_steps, trainer.updates) == (1700, 12)
    for name, written in before.items():
        assert (run / f"{name}.jsonl").read_bytes().startswith(written), name
    # What they knew nothing of is there from now on.
    newest = json.loads(sorted(run.glob("checkpoints/*/state.json"))[-1].read_text())
    assert newest["evaluated_at"] == 1700
    Trainer(replace(read_config(run), logdir=run, steps=1700)).close()
