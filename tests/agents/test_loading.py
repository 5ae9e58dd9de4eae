from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import agents
from agents.table import AGENTS, preset_config
from agents.training.checkpoint import save_checkpoint
from agents.training.config import RESUMABLE, EnvironmentConfig, flatten
from agents.training.run_folder import differing_fields, read_config, save_config
from natural_mujoco import InvalidArgument, NaturalMujocoError

from .tiny import A, make, random_batch, tiny_cvrl, tiny_dreamer, tiny_sac


def write_run(folder: Path, config: Any) -> Any:
    """A run directory as training leaves it; returns its agent."""
    agent = make(config)
    folder.mkdir(parents=True, exist_ok=True)
    save_config(folder, config)
    save_checkpoint(folder, 1, agent.tensors(), {"action_size": A, "control_steps": 123})
    return agent


@pytest.mark.parametrize("config", [tiny_cvrl, tiny_dreamer, tiny_sac])
def test_a_loaded_policy_acts_as_the_agent_does(tmp_path: Path, config: Any) -> None:
    agent = write_run(tmp_path, config())
    policy = agents.load(str(tmp_path), device="cpu")
    frames = random_batch().frames
    policy.reset(3)
    memory, noise = agent.begin(3), [torch.Generator().manual_seed(i) for i in range(3)]
    for t in range(3):
        expected, memory = agent.act(frames[:, t], memory, noise, exploring=False)
        actions = policy.act(frames[:, t].numpy())
        np.testing.assert_allclose(actions, expected.numpy(), rtol=1e-5, atol=1e-6)
        assert actions.dtype == np.float32
    assert policy.training_steps == 123


def test_reset_begins_the_same_again(tmp_path: Path) -> None:
    write_run(tmp_path, tiny_cvrl())
    policy = agents.load(tmp_path, device="cpu")
    frames = random_batch().frames.numpy()
    runs = []
    for _ in range(2):
        policy.reset(3)
        runs.append([policy.act(frames[:, t]) for t in range(3)])
    assert np.array_equal(runs[0], runs[1])
    policy.reset(1)
    assert policy.act(frames[:1, 0]).shape == (1, A)


def test_an_episode_does_not_depend_on_which_others_are_beside_it(tmp_path: Path) -> None:
    write_run(tmp_path, tiny_cvrl())
    policy = agents.load(tmp_path, device="cpu")
    frames = random_batch().frames.numpy()
    played = {}
    for rows in ([0, 1, 2], [2, 0], [1]):
        policy.seed([100 + row for row in rows])
        policy.reset(len(rows))
        actions = np.stack([policy.act(frames[rows, t]) for t in range(4)], 1)
        for row, episode in zip(rows, actions, strict=True):
            np.testing.assert_allclose(episode, played.setdefault(row, episode), atol=1e-5)
    assert not np.allclose(played[0], played[1])


def test_misuse_of_a_policy_is_said(tmp_path: Path) -> None:
    write_run(tmp_path, tiny_cvrl())
    policy = agents.load(tmp_path, device="cpu")
    frames = random_batch().frames[:, 0].numpy()
    with pytest.raises(InvalidArgument, match="reset"):
        policy.act(frames)
    policy.reset(3)
    for wrong in (frames[:2], frames.astype(np.float32), frames[0]):
        with pytest.raises(InvalidArgument, match=r"uint8 \[3, height, width, 3\]"):
            policy.act(wrong)


def test_loading_what_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(NaturalMujocoError, match="no run directory"):
        agents.load(tmp_path)
    save_config(tmp_path, tiny_cvrl())
    with pytest.raises(NaturalMujocoError, match="no checkpoint yet"):
        agents.load(tmp_path)
    write_run(tmp_path, tiny_cvrl())
    with pytest.raises(InvalidArgument, match="device"):
        agents.load(tmp_path, device="toaster")
    (tmp_path / "config.json").write_text('{"agent": "cvrl", "config": {"model": 3}}')
    with pytest.raises(NaturalMujocoError, match="cannot be read"):
        agents.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "preset"), [(name, preset) for name, entry in AGENTS.items() for preset in entry.presets]
)
def test_configurations_survive_the_run_directory(tmp_path: Path, name: Any, preset: str) -> None:
    config = replace(preset_config(name, preset), logdir=tmp_path, seed=4)
    save_config(tmp_path, config)
    assert read_config(tmp_path) == config
    assert type(read_config(tmp_path)) is AGENTS[name].config
    assert json.loads((tmp_path / "config.json").read_text())["agent"] == name


def test_fields_that_may_differ_exist_and_are_not_reported() -> None:
    config = tiny_cvrl()
    assert set(RESUMABLE) <= set(flatten(config))
    assert differing_fields(config, replace(config, steps=7, device="cuda", threads=3)) == []
    assert differing_fields(config, replace(config, task="walker-run")) == [
        "task: 'walker-walk' there, 'walker-run' here"
    ]


def test_equal_seeds_give_equal_parameters_and_others_do_not() -> None:
    one, same, other = (make(tiny_cvrl(seed=s)).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(v, same[k]) for k, v in one.items())
    assert not torch.equal(one["actor.network.output.weight"], other["actor.network.output.weight"])


@pytest.mark.parametrize("config", [tiny_cvrl, tiny_dreamer, tiny_sac])
def test_a_run_of_the_first_format_keeps_the_discount_it_was_trained_with(
    tmp_path: Path, config: Any
) -> None:
    """Its 0.99 was that of one agent step, here of eight control steps."""
    run = config(environment=EnvironmentConfig(action_repeat=8))
    save_config(tmp_path, run)
    data = json.loads((tmp_path / "config.json").read_text())
    del data["format"]
    (tmp_path / "config.json").write_text(json.dumps(data))
    agent: Any = make(read_config(tmp_path))
    used = agent.behaviour.discount if hasattr(agent, "behaviour") else agent.critic.discount
    assert used == pytest.approx(0.99, rel=1e-12)
    assert getattr(agent.config, "initialisation", "torch") == "torch"
