"""What damaged and hostile run folders do to a run: one sentence that names file and field, nothing believed."""

from __future__ import annotations

import json
import shutil
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
from agents.training.run_folder import read_config
from agents.training.trainer import Trainer
from natural_mujoco import NaturalMujocoError

from .test_trainer import config

pytestmark = pytest.mark.usefixtures("fake_simulator")


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
