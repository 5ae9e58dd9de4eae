"""What a run does to the folder it is given, and what damaged and hostile folders do to a run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import agents
from agents.studies.curves import read_curve
from agents.training import checkpoint
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


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with two checkpoints; copied before it is damaged."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        import gymnasium as gym

        from .fake_envs import FakeEnvs

        patch.setattr(gym, "make_vec", lambda env_id, num_envs, **kwargs: FakeEnvs(num_envs, **kwargs))
        for steps in (60, 78):  # in the middle of an episode
            Trainer(
                replace(
                    config(folder / "run", training={"evaluate_every": 60, "evaluation_episodes": 1}),
                    steps=steps,
                )
            ).run()
    return folder / "run"


def resume(run: Path) -> Trainer:
    return Trainer(replace(config(run, training={"evaluate_every": 60, "evaluation_episodes": 1}), steps=80))


def newest(run: Path) -> Path:
    return sorted((run / "checkpoints").iterdir())[-1]


def set_in(path: Path, where: str, value: Any) -> None:
    data = json.loads(path.read_text())
    *parents, last = where.split(".")
    inner = data
    for name in parents:
        inner = inner[name]
    inner[last] = value
    path.write_text(json.dumps(data))


HOSTILE_CONFIGS: list[tuple[str, Any, str]] = [
    ("config.num_envs", 10**9, r"config\.num_envs is 1000000000; it must be at most 4096"),
    ("config.num_envs", -1, r"config\.num_envs is -1"),
    ("config.num_envs", "2", r"config\.num_envs: Input should be a valid integer"),
    ("config.model.deterministic", 10**12, r"config\.model\.deterministic is"),
    ("config.model.encoder_depth", 0, r"config\.model\.encoder_depth is 0"),
    ("config.model.free_nats", None, r"config\.model\.free_nats: Input should be a valid number"),
    ("config.contrastive.state_units", [9] * 100, r"config\.contrastive\.state_units has 100 numbers"),
    ("config.environment.size", 10**6, r"config\.environment\.size is"),
    ("config.replay.capacity", 10**30, r"config\.replay\.capacity is"),
    ("config.seed", -3, r"config\.seed is -3"),
    ("config.videos", "x" * 10**5, r"config\.videos has 100,000 characters"),
    ("config.model", [1], r"config\.model: Input should be an object"),
    ("config.colour", "red", r"config\.colour is no setting of cvrl"),
    ("agent", "rainbow", r"agent is 'rainbow'; there are cvrl"),
    ("agent", ["cvrl"], r"agent is"),
    ("video_set", {"name": "a\nb", "manifest_hash": "0"}, r"video_set\.name"),
]


@pytest.mark.parametrize(("where", "value", "message"), HOSTILE_CONFIGS)
def test_a_hostile_config_names_file_and_field(
    tmp_path: Path, finished: Path, where: str, value: Any, message: str
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    set_in(run / "config.json", where, value)
    with pytest.raises(NaturalMujocoError, match=rf"config\.json.*{message}"):
        resume(run)
    if where != "video_set":
        with pytest.raises(NaturalMujocoError, match=rf"config\.json.*{message}"):
            agents.load(run, device="cpu")


TEXTS = {
    "binary": (b"\x00\xff\xfe" * 99, "no UTF-8"),
    "deep": (b"[" * 200_000 + b"]" * 200_000, "nested too deep"),
    "infinite": (b'{"agent": 1e999}', "1e999 is no finite number"),
    "nan": (b'{"agent": NaN}', "NaN is no finite number"),
    "twice": (b'{"agent": "cvrl", "agent": "sac"}', "appears twice"),
    "digits": (b'{"agent": ' + b"9" * 9999 + b"}", "config.json"),
    "empty": (b"", "no JSON"),
    "cut off": (b'{"agent": "cvrl", "con', "no JSON"),
    "large": (b" " * 2**21, "larger than"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_no_config_is_one_sentence(tmp_path: Path, finished: Path, name: str) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    data, message = TEXTS[name]
    (run / "config.json").write_bytes(data)
    for call in (lambda: resume(run), lambda: agents.load(run, device="cpu")):
        with pytest.raises(NaturalMujocoError, match=message) as error:
            call()
        assert "config.json" in str(error.value)
        assert len(str(error.value)) < 600


HOSTILE_STATES: list[tuple[str, Any]] = [
    ("control_steps", -1),
    ("control_steps", 10**40),
    ("action_size", 10**9),
    ("updates", "3"),
    ("recent_returns", [1.0] * 11),
    ("sampler.state.state", 2**128),
    ("sampler.bit_generator", "MT19937"),
    ("sampler", {}),
    ("collector.row", 1.5),
    ("replay.start", ["a"]),
    ("replay", None),
    ("offsets", {"metrics.jsonl": -5}),
    ("seconds", None),
    ("sha256", "x"),
]


@pytest.mark.parametrize(("where", "value"), HOSTILE_STATES)
def test_a_hostile_state_is_passed_over_and_named(
    tmp_path: Path, finished: Path, where: str, value: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    set_in(newest(run) / "state.json", where, value)
    trainer = resume(run)
    trainer.close()
    assert trainer.control_steps == 60
    said = capsys.readouterr().out
    assert f"{newest(run)} is damaged" in said
    assert f"state.json: {where}" in said


CONTRADICTIONS: list[tuple[str, Any]] = [
    ("replay.rows", 10**9),
    ("replay.current", [99]),
    ("replay.current", [0, 0]),
    ("replay.stream", [7] * 4),
    ("replay.end", [10**6] * 4),
    ("replay.start", []),
    ("collector.row", 10**6),
    ("metrics", {"no/such": 3}),
]


@pytest.mark.parametrize(("where", "value"), CONTRADICTIONS)
def test_a_state_that_contradicts_its_run_is_named(
    tmp_path: Path, finished: Path, where: str, value: Any
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    set_in(newest(run) / "state.json", where, value)
    with pytest.raises(NaturalMujocoError) as error:
        resume(run)
    assert str(newest(run)) in str(error.value) or "replay/" in str(error.value)


def of_another_shape(t: dict[str, torch.Tensor], name: str) -> None:
    t[name] = torch.zeros(3, 1, 4)


def of_another_type(t: dict[str, torch.Tensor], name: str) -> None:
    t[name] = t[name].to(torch.int64) if t[name].is_floating_point() else t[name].float()


def missing(t: dict[str, torch.Tensor], name: str) -> None:
    del t[name]


def not_finite(t: dict[str, torch.Tensor], name: str) -> None:
    t[name] = torch.full_like(t[name], float("nan"))


TENSORS = [
    ("parameters.actor.network.output.weight", [of_another_shape, of_another_type, missing, not_finite]),
    ("optimiser.model.0.exp_avg", [of_another_shape, of_another_type, missing]),
    ("memory.stochastic", [of_another_shape, of_another_type, missing]),
    ("random.update", [of_another_type, missing]),
    ("replay.checksums", [of_another_shape, of_another_type]),
]


@pytest.mark.parametrize(("name", "damage"), [(n, d) for n, damages in TENSORS for d in damages])
def test_tensors_of_another_agent_are_named(
    tmp_path: Path, finished: Path, name: str, damage: Callable[[dict[str, torch.Tensor], str], None]
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    path = newest(run) / "checkpoint.safetensors"
    tensors = load_file(path)
    assert name in tensors
    damage(tensors, name)
    save_file(tensors, path)
    set_in(newest(run) / "state.json", "sha256", checkpoint.hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(NaturalMujocoError) as error:
        resume(run)
    assert str(path) in str(error.value)
    assert name in str(error.value)
    if name.startswith("parameters."):
        with pytest.raises(NaturalMujocoError, match=name):
            agents.load(run, device="cpu")


def test_an_additional_tensor_is_named(tmp_path: Path, finished: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    path = newest(run) / "checkpoint.safetensors"
    save_file({**load_file(path), "parameters.backdoor": torch.zeros(2)}, path)
    set_in(newest(run) / "state.json", "sha256", checkpoint.hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(NaturalMujocoError, match="backdoor is no tensor of this agent"):
        agents.load(run, device="cpu")


@pytest.mark.parametrize("column", ["frames", "actions", "rewards", "terminals"])
def test_noise_in_a_replay_file_is_noticed(tmp_path: Path, finished: Path, column: str) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    path = run / "replay" / f"{column}.bin"
    data = bytearray(path.read_bytes())
    row = len(data) // (500 + 2000)
    data[3 * row] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(NaturalMujocoError, match=rf"replay/{column}\.bin is damaged: step 3 "):
        resume(run)
    path.write_bytes(bytes(data[:-1]))
    with pytest.raises(NaturalMujocoError, match=rf"replay/{column}\.bin has .* bytes"):
        resume(run)


def test_what_is_recorded_is_what_was_loaded(tmp_path: Path, finished: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    older, path = sorted((run / "checkpoints").iterdir())[0], newest(run) / "checkpoint.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    policy = agents.load(run, device="cpu")
    assert policy.training_steps == 60
    assert policy.digest == json.loads((older / "state.json").read_text())["sha256"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"control_steps": 1e999, "return": 1.0}', "1e999 is no finite number"),
        (b'{"control_steps": 60, "return": 5000.0}', "return"),
        (b'{"return": 5.0}', "control_steps"),
        (b"[" * 100_000, "nested too deep"),
        (b"\xff\xfe", "no UTF-8"),
        (b"7", "line 2"),
    ],
)
def test_a_damaged_line_of_a_curve_is_named(
    tmp_path: Path, finished: Path, line: bytes, message: str
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    path = run / "evaluations.jsonl"
    path.write_bytes(path.read_bytes().splitlines()[0] + b"\n" + line + b"\n")
    with pytest.raises(NaturalMujocoError, match=message) as error:
        read_curve(run, read_config(run))
    assert "evaluations.jsonl, line 2" in str(error.value)


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
