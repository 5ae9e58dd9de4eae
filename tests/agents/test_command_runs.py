"""Real runs, as a user starts them: real environments, real processes, killed without warning."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import agents

from .tiny import write_tiny_flags


def start(folder: Path, agent: str, steps: int) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        f"agents.{agent}",
        *write_tiny_flags(folder, agent),
        "--steps",
        str(steps),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=environment,
    )


def run(folder: Path, agent: str, steps: int) -> str:
    process = start(folder, agent, steps)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    return output


def newest(folder: Path) -> Path:
    return sorted((folder / "checkpoints").iterdir())[-1]


@pytest.mark.parametrize("agent", ["cvrl"])
def test_a_run_killed_without_warning_resumes_to_the_same_parameters(tmp_path: Path, agent: str) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(whole, agent, 800)

    process = start(killed, agent, 800)
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:  # until some updates are behind it
        states = sorted((killed / "checkpoints").glob("[0-9]*/state.json"))
        if states and json.loads(states[-1].read_text())["updates"] >= 3:
            break
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    state = json.loads((newest(killed) / "state.json").read_text())
    assert 200 < state["control_steps"] < 800, "the run was not killed in the middle"

    assert "Resuming" in run(killed, agent, 800)
    expected, got = (load_file(newest(f) / "checkpoint.safetensors") for f in (whole, killed))
    assert expected.keys() == got.keys()
    for key, value in expected.items():
        if not key.startswith("random."):  # their bytes have padding
            assert torch.equal(value, got[key]), key
    steps = [
        [json.loads(line)["control_steps"] for line in (f / "metrics.jsonl").read_text().splitlines()]
        for f in (whole, killed)
    ]
    assert steps[0] == steps[1]


@pytest.mark.parametrize("agent", ["dreamer", "repo", "sac", "ppo", "drqv2", "distil"])
def test_the_other_agents_run_end_to_end_and_load_as_policies(tmp_path: Path, agent: str) -> None:
    run(tmp_path, agent, 1000)
    policy = agents.load(tmp_path, device="cpu")
    policy.reset(2)
    observations = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    actions = policy.act(observations)
    assert actions.shape == (2, 1)
    assert actions.dtype == np.float32
    assert np.abs(actions).max() <= 1
    for name in ("config.json", "metrics.jsonl", "episodes.jsonl"):
        assert (tmp_path / name).stat().st_size > 0


def test_help_names_the_flags_and_needs_no_simulator() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "agents.cvrl", "--help"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0
    for flag in (
        "--task",
        "--variant",
        "--preset",
        "--steps",
        "--num-envs",
        "--ablation",
        "--model.free-nats",
    ):
        assert flag in result.stdout


def test_nan_loss_exits_with_one_and_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "agents.cvrl", *write_tiny_flags(tmp_path, "cvrl"), "--steps", "400"]
    result = subprocess.run(
        [*command, "--model.reward-weight", "1e39"], capture_output=True, text=True, timeout=200, check=False
    )
    assert result.returncode == 1
    assert "failed: The model loss is" in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.glob("failure-*.safetensors"))
