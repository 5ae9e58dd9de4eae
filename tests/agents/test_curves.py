from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from agents.studies.curves import main, read_curve
from agents.training.run_folder import save_config

from .fake_envs import FakeEnvs
from .tiny import tiny_cvrl, tiny_dreamer


@pytest.fixture(autouse=True)
def fake_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gym, "make_vec", lambda env_id, num_envs, **kwargs: FakeEnvs(num_envs, **kwargs))


def write_run(folder: Path, config: Any, returns: dict[int, list[float]]) -> Path:
    folder.mkdir(parents=True)
    save_config(folder, config)
    evaluations = [{"control_steps": s, "return": r} for s, values in returns.items() for r in values]
    metrics = [
        {"control_steps": s, "train/seconds": 60.0 * s, "train/updates": s // 10} for s in (50, 100, 150)
    ]
    for name, records in (("evaluations", evaluations), ("metrics", metrics)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return folder


def test_curves_of_several_runs_beside_zero_and_random(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [
        write_run(tmp_path / "a", tiny_cvrl(), {100: [1.0, 3.0], 200: [5.0, 7.0]}),
        write_run(tmp_path / "b", tiny_cvrl(seed=1), {100: [2.0, 2.0]}),
        write_run(tmp_path / "c", tiny_dreamer(), {100: [0.0, 1.0]}),
        write_run(tmp_path / "d", tiny_cvrl(ablation="no-mpc"), {100: [0.0, 1.0]}),
    ]
    out = tmp_path / "results" / "walker-walk"
    assert main([*map(str, runs), "--out", str(out), "--episodes", "3"]) == 0
    data = json.loads(out.with_suffix(".json").read_text())
    assert out.with_suffix(".png").stat().st_size > 5_000
    assert [run["agent"] for run in data["runs"]] == ["cvrl", "cvrl", "dreamer", "cvrl-no-mpc"]
    assert data["runs"][0]["steps"] == [100, 200]
    assert data["runs"][0]["returns"] == [[1.0, 3.0], [5.0, 7.0]]
    assert data["runs"][0]["minutes"] == [100.0, 150.0]
    assert data["runs"][0]["updates"] == [10, 15]
    # FakeEnvs pays 1 + the mean action for each of 10 steps.
    assert data["references"]["zero"] == [10.0] * 3
    assert np.std(data["references"]["random"]) > 0
    printed = capsys.readouterr().out
    assert "zero" in printed
    assert "6.0 at 200 control steps" in printed


def test_a_half_written_last_line_is_left_out(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", tiny_cvrl(), {100: [1.0]})
    with open(run / "evaluations.jsonl", "a") as f:
        f.write('{"control_steps": 200, "ret')
    assert read_curve(run, tiny_cvrl())["steps"] == [100]


def test_runs_that_were_only_trained_on_other_backgrounds_share_a_picture(tmp_path: Path) -> None:
    plain = tiny_cvrl()
    shared = replace(plain, environment=replace(plain.environment, shared_background=True, num_videos=2))
    runs = [
        write_run(tmp_path / "a", plain, {100: [1.0, 1.0]}),
        write_run(tmp_path / "b", shared, {100: [2.0, 2.0]}),
    ]
    assert main([*map(str, runs), "--out", str(tmp_path / "x")]) == 0
    curves = json.loads((tmp_path / "x.json").read_text())["runs"]
    assert [run["returns"] for run in curves] == [[[1.0, 1.0]], [[2.0, 2.0]]]


def test_runs_that_cannot_share_a_picture_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [
        write_run(tmp_path / "a", tiny_cvrl(), {100: [1.0]}),
        write_run(tmp_path / "b", replace(tiny_cvrl(), task="cheetah-run"), {100: [1.0]}),
    ]
    assert main([*map(str, runs), "--out", str(tmp_path / "x")]) == 2
    assert "differ in task" in capsys.readouterr().err
    (tmp_path / "a" / "evaluations.jsonl").unlink()
    assert main([str(runs[0]), "--out", str(tmp_path / "x")]) == 2
    assert "no evaluations yet" in capsys.readouterr().err
    assert main([str(tmp_path), "--out", str(tmp_path / "x")]) == 1
    assert "no run directory" in capsys.readouterr().err
