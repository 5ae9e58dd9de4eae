"""What a run does to the folder it is given: what is not a run, what others hold, what stops it on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.training.event_file import EventFile
from agents.training.replay_column import Column
from agents.training.run_folder import held, read_config
from agents.training.run_log import RunLog
from agents.training.trainer import Stopped, Trainer
from natural_mujoco import InvalidArgument, NaturalMujocoError
from natural_mujoco.errors import LockHeld

from .test_trainer import config, differing, final_state, read_lines

pytestmark = pytest.mark.usefixtures("fake_simulator")


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b""
        for p in sorted(folder.rglob("*"))
        if not p.name.endswith(".lock")
    }


@pytest.mark.parametrize(
    "names",
    [
        ["dataset.jsonl"],
        ["metrics.jsonl"],
        ["checkpoints/000000000007/state.json"],
        ["replay/frames.bin"],
        [".hidden"],
    ],
)
def test_a_folder_that_is_no_run_is_refused_untouched(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    before = snapshot(tmp_path)
    with pytest.raises(InvalidArgument, match="is not empty and holds no run"):
        Trainer(config(tmp_path))
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    "text", ['{"model_type": "bert"}', "[]", "\x00\x01", '{"agent": "cvrl", "config": 3}']
)
def test_somebody_elses_config_is_no_run(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    (tmp_path / "metrics.jsonl").write_text("mine")
    before = snapshot(tmp_path)
    with pytest.raises(NaturalMujocoError, match=r"config\.json"):
        Trainer(config(tmp_path))
    assert snapshot(tmp_path) == before


def test_files_of_a_user_in_a_run_folder_stay(tmp_path: Path) -> None:
    Trainer(replace(config(tmp_path), steps=50)).run()
    mine = [
        tmp_path / "notes.jsonl",
        tmp_path / "checkpoints" / "best.txt",
        tmp_path / "checkpoints" / "1" / "kept",
        *(p / "note.txt" for p in (tmp_path / "checkpoints").iterdir()),
    ]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    for steps in (70, 90, 120):
        Trainer(replace(config(tmp_path), steps=steps)).run()
    assert [path.read_text() for path in mine] == ["mine"] * len(mine)


def test_what_a_start_that_was_killed_left_is_begun_anew(tmp_path: Path) -> None:
    for name in (".run.lock", ".run.lock.holder", f".config.json.{'0' * 16}.tmp", "output.log"):
        (tmp_path / name).write_text("")
    Trainer(replace(config(tmp_path), steps=20)).run()
    assert read_config(tmp_path).steps == 20


def test_a_second_run_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    trainer = Trainer(config(tmp_path))
    with pytest.raises(LockHeld, match=rf"Training walker-walk natural with cvrl \(process {os.getpid()} on"):
        Trainer(config(tmp_path))
    trainer.run()
    Trainer(config(tmp_path)).close()


def test_the_lock_goes_with_a_killed_process(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tests.agents.tiny import tiny_cvrl; "
        "from agents.training.run_folder import held\n"
        "with held(Path(sys.argv[1]), tiny_cvrl(), None): print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(LockHeld, match=rf"process {holder.pid} "),
            held(tmp_path, read_config(tmp_path), None),
        ):
            pass
        holder.kill()
        holder.wait()
        with held(tmp_path, read_config(tmp_path), None):
            pass


def test_a_set_whose_content_changed_is_noticed(
    tmp_path: Path, plain_clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = tmp_path / "clips" / plain_clips.name
    shutil.copytree(plain_clips.parent, manifest.parent)
    settings = config(tmp_path / "run", videos=str(manifest))
    Trainer(replace(settings, steps=20)).run()
    Trainer(replace(settings, steps=30)).run()
    data = json.loads(manifest.read_text())
    data["videos"] = data["videos"][1:]
    manifest.write_text(json.dumps(data))
    before = snapshot(tmp_path / "run")
    with pytest.raises(InvalidArgument, match=r"another configuration \(videos: .*…\) there, .*…\) here\)"):
        Trainer(settings)
    assert snapshot(tmp_path / "run") == before


def test_auto_that_means_another_set_is_noticed(tmp_path: Path) -> None:
    Trainer(replace(config(tmp_path), steps=20)).run()
    path = tmp_path / "config.json"
    data = json.loads(path.read_text())
    assert data["config"]["videos"] == "auto"
    assert data["video_set"]["name"] == "embedded"
    data["video_set"] = {"name": "ilsvrc-vid", "manifest_hash": "0" * 64}
    path.write_text(json.dumps(data))
    with pytest.raises(InvalidArgument, match=r"videos: ilsvrc-vid \(0{12}…\) there, embedded"):
        Trainer(config(tmp_path))


def stopped_at(trainer: Trainer, control_steps: int) -> None:
    collect = trainer._collect

    def collecting() -> None:
        collect()
        if trainer.control_steps >= control_steps:
            os.kill(os.getpid(), signal.SIGINT)

    trainer._collect = collecting  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        trainer.run()


def test_what_is_logged_is_that_of_a_run_that_was_never_stopped(tmp_path: Path) -> None:
    training = {"evaluate_every": 50, "evaluation_episodes": 2, "warmup_updates": 3}
    Trainer(config(tmp_path / "whole", training=training)).run()
    for stop in (46, 69, 91):  # between lines of metrics
        stopped_at(Trainer(config(tmp_path / "parts", training=training)), stop)
    for _ in range(2):  # to the end; then once more, with nothing left to do
        Trainer(config(tmp_path / "parts", training=training)).run()
    for name in ("metrics", "episodes", "evaluations"):
        whole, parts = (read_lines(tmp_path / f / f"{name}.jsonl") for f in ("whole", "parts"))
        for line in whole + parts:
            line.pop("train/seconds", None)
        assert whole == parts, name
    assert differing(final_state(tmp_path / "whole")[0], final_state(tmp_path / "parts")[0]) == []


@pytest.mark.parametrize("what", [(RunLog, "line"), (EventFile, "_write"), (Column, "write"), (os, "fsync")])
def test_a_full_disk_is_one_sentence_and_the_last_checkpoint_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: tuple[Any, str]
) -> None:
    Trainer(replace(config(tmp_path), steps=60)).run()
    before = final_state(tmp_path)[0]
    trainer = Trainer(config(tmp_path))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(*what, full)
        with pytest.raises(
            NaturalMujocoError, match=r"The disk is full: free some space.*resume from the last"
        ):
            trainer.run()
    assert differing(before, final_state(tmp_path)[0]) == []
    resumed = Trainer(config(tmp_path))
    assert resumed.control_steps == 60
    resumed.close()
