"""Going on after environments that died."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.training.command_line import check_config
from agents.training.trainer import MOST_RESTARTS, Trainer
from natural_mujoco import WorkerError

from .fake_envs import FakeEnvs
from .tiny import TRAINING, tiny_cvrl


def config(folder: Path, num_envs: int = 2, steps: int = 240, **training: Any) -> Any:
    t = replace(TRAINING, **{"updates_per_1000_steps": 500} | training)
    return check_config(
        tiny_cvrl(logdir=folder, steps=steps, num_envs=num_envs, training=t, device="cpu", threads=1)
    )


def fail_at(envs: FakeEnvs, when: Any) -> None:
    step = envs.step

    def failing(actions: np.ndarray) -> Any:
        if when(envs):
            raise WorkerError("Worker 0 (sub-environments 0 to 1) did not finish step within 120 s.")
        return step(actions)

    envs.step = failing  # type: ignore[method-assign]


def test_a_failure_begins_a_new_round_in_new_environments(
    tmp_path: Path, fake_simulator: list[FakeEnvs], capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = Trainer(config(tmp_path))
    fail_at(fake_simulator[0], lambda envs: envs.steps_taken == 15)
    trainer.run()
    assert len(fake_simulator) == 2
    assert trainer.control_steps >= 240
    assert "did not finish step within 120 s. Going on with new ones" in capsys.readouterr().out
    # Rounds 0 and 1 (in whose fourth step it happened), then round 2 from its start.
    first = trainer.replay._frames.data[:, : trainer.replay.rows, 0, 1, 0]
    assert first[0, :18].tolist() == [*range(11), *range(6), 0]
    # No sequence leads from before the failure to after it.
    batch = trainer.replay.sample(300, 6, np.random.default_rng(0))
    assert (np.diff(batch.frames[:, :, 0, 1, 0].numpy().astype(int), axis=1) == 1).all()


def test_environments_that_fail_again_and_again_end_the_run(
    tmp_path: Path, fake_simulator: list[FakeEnvs], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: FakeEnvs, actions: np.ndarray) -> Any:
        raise WorkerError("Worker 0 died.")

    monkeypatch.setattr(FakeEnvs, "step", failing)
    with pytest.raises(WorkerError, match="died"):
        Trainer(config(tmp_path)).run()
    assert len(fake_simulator) == 1 + MOST_RESTARTS


def test_a_run_outlives_a_killed_worker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Real environments, a real kill."""
    settings = config(tmp_path, num_envs=2, steps=700, prefill=200, updates_per_1000_steps=10)
    settings = replace(
        settings,
        task="cartpole-swingup",
        variant="standard",
        environment=replace(settings.environment, action_repeat=20, rendering="fast"),
        behaviour=replace(settings.behaviour, horizon=3),
    )
    trainer = Trainer(settings)
    workers = trainer.envs._workers  # type: ignore[attr-defined]
    collect, calls = trainer._collect, [0]

    def killing() -> None:
        calls[0] += 1
        if calls[0] == 8:
            os.kill(workers[0].pid, signal.SIGKILL)
        collect()

    trainer._collect = killing  # type: ignore[method-assign]
    trainer.run()
    assert trainer.control_steps >= 700
    assert trainer.updates == (trainer.control_steps - 200) // 100
    assert "died" in capsys.readouterr().out
