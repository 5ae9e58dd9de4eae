"""The loop around the agents: ratio, logging, resuming, stopping, failing."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from agents.agent import Metrics
from agents.training.batch import Batch
from agents.training.command_line import check_config, main
from agents.training.optimiser import NonFiniteGradient
from agents.training.recorded_updates import Updates
from agents.training.run_folder import run_directory
from agents.training.trainer import Stopped, Trainer
from natural_mujoco import InvalidArgument, NaturalMujocoError
from natural_mujoco.evaluation.conditions import episode_seeds

from .fake_envs import FakeEnvs
from .tiny import TRAINING, tiny_cvrl, tiny_distil, tiny_dreamer, tiny_ppo, tiny_repo, tiny_sac

pytestmark = pytest.mark.usefixtures("fake_simulator")


def config(
    folder: Path, make: Any = tiny_cvrl, training: dict[str, Any] | None = None, **changes: Any
) -> Any:
    settings = replace(TRAINING, updates_per_1000_steps=100, **(training or {}))
    if make is tiny_sac:
        settings = replace(settings, batch_length=1)
    return check_config(make(logdir=folder, steps=120, training=settings, device="cpu", threads=1, **changes))


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def final_state(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    newest = sorted((folder / "checkpoints").iterdir())[-1]
    return load_file(newest / "checkpoint.safetensors"), json.loads((newest / "state.json").read_text())


def differing(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> list[str]:
    """Names of the saved tensors that differ; random streams are compared by what they draw next."""

    def drawn(state: torch.Tensor) -> torch.Tensor:
        return torch.randn(33, generator=torch.Generator().set_state(state))

    assert a.keys() == b.keys()
    return [
        k
        for k, v in a.items()
        if not (torch.equal(drawn(v), drawn(b[k])) if "random" in k else torch.equal(v, b[k]))
    ]


@pytest.mark.parametrize("num_envs", [1, 2, 5])
@pytest.mark.parametrize("train_every", [1, 20])
def test_the_update_ratio_holds_whatever_the_number_of_environments(
    tmp_path: Path, num_envs: int, train_every: int
) -> None:
    trainer = Trainer(
        config(tmp_path, num_envs=num_envs, training={"train_every": train_every, "prefill": 60})
    )
    trainer.run()
    assert trainer.control_steps >= 120
    assert trainer.updates == (trainer.control_steps - 60) // train_every * train_every // 10


def test_no_update_comes_before_the_prefill_and_random_actions_end_with_it(tmp_path: Path) -> None:
    trainer = Trainer(config(tmp_path))
    while trainer.control_steps < 40:
        assert trainer._updates_wanted() == 0
        trainer._collect()
    assert [e["random"] for e in read_lines(tmp_path / "episodes.jsonl")] == [True, True]
    trainer.run()
    assert not read_lines(tmp_path / "episodes.jsonl")[-1]["random"]


def test_warm_up_comes_first_and_counts_for_no_update(tmp_path: Path) -> None:
    trainer = Trainer(config(tmp_path, training={"warmup_updates": 7}))
    trainer.run()
    assert trainer.warmups == 7
    assert trainer.updates == 8


@pytest.mark.parametrize("make", [tiny_cvrl, tiny_dreamer, tiny_sac, tiny_repo, tiny_ppo, tiny_distil])
def test_resuming_gives_the_parameters_of_an_uninterrupted_run(tmp_path: Path, make: Any) -> None:
    Trainer(config(tmp_path / "whole", make)).run()
    for stop in (30, 77, 120):  # in the prefill, in the middle of an episode between updates, at the end
        Trainer(replace(config(tmp_path / "parts", make), steps=stop)).run()
    (whole, whole_state), (parts, parts_state) = (
        final_state(tmp_path / "whole"),
        final_state(tmp_path / "parts"),
    )
    assert differing(whole, parts) == []
    for key in ("control_steps", "updates", "sampler", "collector"):
        assert whole_state[key] == parts_state[key]


def test_lines_written_after_the_checkpoint_are_not_there_twice(tmp_path: Path) -> None:
    Trainer(replace(config(tmp_path), steps=80)).run()
    with open(tmp_path / "metrics.jsonl", "a") as f:
        f.write('{"control_steps": 100, "from": "a run that was killed"}\n{"half a l')
    Trainer(config(tmp_path)).run()
    steps = [line["control_steps"] for line in read_lines(tmp_path / "metrics.jsonl")]
    assert steps == sorted(set(steps))
    assert steps[-1] == 120
    assert "killed" not in (tmp_path / "metrics.jsonl").read_text()


def test_metrics_name_what_a_reader_looks_for(tmp_path: Path) -> None:
    Trainer(config(tmp_path)).run()
    last = read_lines(tmp_path / "metrics.jsonl")[-1]
    for name in (
        "model/info_nce",
        "model/contrast_accuracy",
        "model/contrast_accuracy_within",
        "model/contrast_accuracy_across",
        "model/kl",
        "behaviour/imagined_return",
        "behaviour/saturated_actions",
        "sac/temperature",
        "train/return",
        "train/updates",
    ):
        assert np.isfinite(last[name]), name
    assert list(tmp_path.glob("events.out.tfevents.*"))


def test_evaluation_is_on_held_out_videos_with_the_protocols_seeds(
    tmp_path: Path, fake_simulator: list[FakeEnvs]
) -> None:
    t = {"evaluate_every": 60, "evaluation_episodes": 3, "evaluation_envs": 2}
    Trainer(config(tmp_path, tiny_dreamer, t)).run()
    lines = read_lines(tmp_path / "evaluations.jsonl")
    assert [line["control_steps"] for line in lines] == [60] * 3 + [120] * 3
    assert [line["episode_seed"] for line in lines[:3]] == list(episode_seeds(0, 3))
    assert {line["condition"] for line in lines} == {"natural-test"}
    assert lines[0]["video"] == f"clip-{episode_seeds(0, 1)[0] % 256}"
    assert lines[0]["length"] == 20
    evaluating = [e for e in fake_simulator if e.kwargs["split"] == "test"]
    assert len(evaluating) == 2
    assert all(e.num_envs == 2 for e in evaluating)
    assert (tmp_path / "preview.mp4").stat().st_size > 0


def test_an_evaluation_changes_nothing_about_the_training(tmp_path: Path) -> None:
    Trainer(config(tmp_path / "with", training={"evaluate_every": 50, "evaluation_episodes": 2})).run()
    Trainer(config(tmp_path / "without")).run()
    with_, without = final_state(tmp_path / "with")[0], final_state(tmp_path / "without")[0]
    assert differing(with_, without) == []


def test_ctrl_c_saves_and_the_same_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Trainer(config(tmp_path / "whole")).run()
    trainer = Trainer(config(tmp_path / "parts"))
    collect, count = trainer._collect, [0]

    def interrupted() -> None:
        count[0] += 1
        if count[0] == 35:
            os.kill(os.getpid(), signal.SIGINT)
        collect()

    trainer._collect = interrupted  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        trainer.run()
    state = final_state(tmp_path / "parts")[1]
    assert 0 < state["control_steps"] == trainer.control_steps < 120
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    Trainer(config(tmp_path / "parts")).run()
    whole, parts = final_state(tmp_path / "whole")[0], final_state(tmp_path / "parts")[0]
    assert differing(whole, parts) == []


class Late(Updates[Any]):
    """Tells of a failed update when the next one is wanted, as updates on a GPU do."""

    error: NonFiniteGradient | None = None

    def update(self, batch: Any) -> Metrics:
        self.settle()
        try:
            return self.agent.update(batch)
        except NonFiniteGradient:
            self.error = NonFiniteGradient("model", float("nan"), float("nan"), batch)
            return {}

    def settle(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("late", [False, True])
def test_a_nan_saves_what_led_to_it_and_leaves_the_checkpoint(tmp_path: Path, late: bool) -> None:
    trainer = Trainer(config(tmp_path))
    if late:
        trainer.learner = Late(trainer.agent)
    draw = trainer.agent.draw

    def poisoned(replay: Any, rng: np.random.Generator) -> Batch:
        batch = draw(replay, rng)
        if trainer.updates != 3:
            return batch
        return batch._replace(rewards=torch.full_like(batch.rewards, float("nan")))

    trainer.agent.draw = poisoned  # type: ignore[method-assign]
    with pytest.raises(
        NaturalMujocoError, match=r"Update 3 failed: The model loss is nan.*failure-3\.safetensors"
    ):
        trainer.run()
    saved = load_file(tmp_path / "failure-3.safetensors")
    assert saved["batch.rewards"].isnan().all()
    assert saved["batch.frames"].shape == (3, 6, 64, 64, 3)
    assert all(
        v.isfinite().all() for k, v in saved.items() if k.startswith("parameters.") and v.is_floating_point()
    )
    for key, value in trainer.agent.state_dict().items():
        assert torch.equal(saved[f"parameters.{key}"], value)


def test_a_directory_of_another_configuration_is_refused_and_the_fields_named(tmp_path: Path) -> None:
    Trainer(replace(config(tmp_path), steps=50)).run()
    other = replace(config(tmp_path), seed=3, model=replace(config(tmp_path).model, free_nats=2.0))
    with pytest.raises(InvalidArgument, match=r"another configuration") as error:
        Trainer(other)
    assert "seed: 0 there, 3 here" in str(error.value)
    assert "model.free_nats: 0.0 there, 2.0 here" in str(error.value)
    assert "steps" not in str(error.value)
    with pytest.raises(InvalidArgument, match="agent: 'cvrl' there, 'dreamer' here"):
        Trainer(config(tmp_path, tiny_dreamer))


def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = Trainer(replace(config(tmp_path), steps=80))
    trainer.run()
    Trainer(config(tmp_path)).run()
    expected = final_state(tmp_path)[0]
    newest = sorted((tmp_path / "checkpoints").iterdir())[-1] / "checkpoint.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    Trainer(config(tmp_path)).run()
    assert "damaged" in capsys.readouterr().out
    assert differing(expected, final_state(tmp_path)[0]) == []


def test_a_disk_that_fills_up_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(config(tmp_path))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trainer.replay, "sync", full)
    with pytest.raises(NaturalMujocoError, match=r"Cannot write .*The disk is full: free some space"):
        trainer.run()


def test_a_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NaturalMujocoError, match="give another --logdir"):
        Trainer(config(tmp_path / "file" / "run"))


def test_checkpoints_come_before_the_ring_overwrites_what_the_last_two_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.training.trainer.ROWS_BETWEEN_CHECKPOINTS", 15)
    trainer = Trainer(config(tmp_path))
    saved: list[int] = []
    save = trainer._save
    trainer._save = lambda: (saved.append(trainer.replay.rows), save())[1]  # type: ignore[method-assign]
    trainer.run()
    assert np.diff([0, *saved]).max() <= 15


def test_default_directories_tell_runs_apart() -> None:
    config = tiny_cvrl(task="walker-walk", seed=2)
    assert run_directory(config) == Path("runs/walker-walk-natural/cvrl-paper-2")
    assert run_directory(replace(config, ablation="no-mpc")) == Path(
        "runs/walker-walk-natural/cvrl-no-mpc-paper-2"
    )


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["--task", "walker-fly"], 2, "Unknown task 'walker-fly'"),
        (["--variant", "nautral"], 2, "Unknown variant 'nautral'. Valid: natural, standard."),
        (
            ["--preset", "desktop"],
            2,
            "Unknown preset 'desktop' of cvrl. Valid: paper, released-code, laptop.",
        ),
        (["--num-envs", "0"], 2, "--num-envs is 0; it must be at least 1."),
        (["--steps", "0"], 2, "--steps is 0"),
        (["--device", "cuda"], 2, "PyTorch sees no CUDA GPU here"),
        (["--device", "toaster"], 2, "Unknown device 'toaster'"),
        (["--training.batch-length", "1"], 2, "--training.batch-length is 1; it must be at least 2."),
        (["--training.batch-length", "600"], 2, "an episode has 501 frames"),
        (["--training.prefill", "10"], 2, "--training.prefill is 10"),
        (["--replay.capacity", "10"], 2, "--replay.capacity is 10"),
        (["--environment.size", "32"], 2, "--environment.size is 32"),
        (
            ["--ablation", "generative", "--environment.size", "84"],
            2,
            "the decoder of a generative model gives 64",
        ),
    ],
)
def test_wrong_usage_is_one_sentence(
    flags: list[str],
    status: int,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main("cvrl", ["--logdir", str(tmp_path), *flags]) == status
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("agents.cvrl: ")
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_an_unknown_flag_exits_with_two() -> None:
    with pytest.raises(SystemExit) as error:
        main("cvrl", ["--model.free-nuts", "3"])
    assert error.value.code == 2


def test_the_released_code_has_no_pixel_sac(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("sac", ["--preset", "released-code"]) == 2
    assert "Unknown preset 'released-code' of sac. Valid: paper, laptop." in capsys.readouterr().err


def test_a_missing_wandb_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "wandb", None)
    assert main("cvrl", ["--wandb", "--logdir", str(tmp_path)]) == 2
    assert "pip install wandb" in capsys.readouterr().err


def test_wandb_gets_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    from types import SimpleNamespace

    logged: list[tuple[int, dict[str, float]]] = []
    run = SimpleNamespace(log=lambda values, step: logged.append((step, values)), finish=lambda: None)
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **kwargs: run))
    Trainer(replace(config(tmp_path), wandb=True)).run()
    written = read_lines(tmp_path / "metrics.jsonl")
    assert [(step, {"control_steps": step, **values}) for step, values in logged] == [
        (line["control_steps"], line) for line in written
    ]
