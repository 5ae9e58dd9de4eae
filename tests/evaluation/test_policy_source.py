"""What --policy can name, and what it says when it cannot be that."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from natural_mujoco.errors import InvalidArgument, NaturalMujocoError, PolicyError
from natural_mujoco.evaluation.policy_loading import load_policy
from natural_mujoco.evaluation.policy_source import find_policy
from natural_mujoco.evaluation.protocol import RandomPolicy, ZeroPolicy

HERE = "tests.evaluation.policies"


def load(text: str, task: str = "walker-walk", action_size: int = 6) -> Any:
    return load_policy(find_policy(text), task, action_size)


def test_zero_does_nothing() -> None:
    policy = load("zero")
    assert isinstance(policy, ZeroPolicy)
    policy.reset(3)
    actions = policy.act(np.full((3, 64, 64, 3), 200, np.uint8))
    assert actions.shape == (3, 6)
    assert not actions.any()


def test_a_random_episode_depends_on_its_seed_and_not_on_its_neighbours() -> None:
    def actions(seeds: list[int], row: int) -> np.ndarray:
        policy = RandomPolicy(4)
        policy.seed(seeds)
        policy.reset(len(seeds))
        return np.array([policy.act(np.zeros((len(seeds), 64, 64, 3), np.uint8))[row] for _ in range(5)])

    np.testing.assert_array_equal(actions([7, 8, 9], 1), actions([8], 0))
    assert not np.allclose(actions([7, 8, 9], 0), actions([7, 8, 9], 2))
    drawn = actions([11], 0)
    assert np.abs(drawn).max() <= 1
    assert len(np.unique(drawn)) == drawn.size


def test_a_factory_gets_the_keywords_that_it_takes() -> None:
    assert load(f"{HERE}:Steady").weights.shape == (6,)
    policy = load(f"{HERE}:SlowAfterwards", task="finger-spin", action_size=2)
    assert (policy.task, policy.action_size) == ("finger-spin", 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "neither zero, random, expert, an importable module:factory, nor a run directory"),
        ("no_such_module_anywhere:make", "no module 'no_such_module_anywhere'"),
        ("a b:c", "neither zero"),
        ("os:", "neither zero"),
    ],
)
def test_what_names_no_policy_is_refused_at_once(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        find_policy(text)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("Missing", InvalidArgument, f"{HERE} has no Missing"),
        ("not_callable", InvalidArgument, "is a int and cannot be called"),
        ("NoMethods", PolicyError, r"NoMethods without the methods reset\(num_envs\) and act\(obs\)"),
        (
            "FailsToLoad",
            PolicyError,
            "could not be loaded for walker-walk: RuntimeError: no weights at /nowhere",
        ),
        (
            "leaves",
            PolicyError,
            r"could not be loaded for walker-walk: SystemExit: 0\n  at .*policies.py, line \d+",
        ),
    ],
)
def test_what_is_no_policy_is_refused_when_it_is_loaded(
    name: str, kind: type[NaturalMujocoError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        load(f"{HERE}:{name}")


def write_run(folder: Path, **config: Any) -> Path:
    """A run directory as the bundled agents leave it, without weights worth loading."""
    checkpoint = folder / "checkpoints" / "000000120000"
    checkpoint.mkdir(parents=True)
    settings = {
        "task": "WalkerWalk", "variant": "natural", "seed": 3, "environment": {"action_repeat": 4}, **config
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps({"agent": "cvrl", "config": settings}))
    (checkpoint / "checkpoint.safetensors").write_bytes(b"weights")
    state = {"sha256": hashlib.sha256(b"weights").hexdigest(), "control_steps": 120_000}
    (checkpoint / "state.json").write_text(json.dumps(state))
    return folder


def test_a_run_directory_describes_itself(tmp_path: Path) -> None:
    source = find_policy(str(write_run(tmp_path / "walker-walk-natural" / "cvrl-laptop-3")))
    assert (source.kind, source.name, source.agent) == ("run", "walker-walk-natural/cvrl-laptop-3", "cvrl")
    assert (source.task, source.training_seed, source.trained_on) == ("walker-walk", 3, "natural")
    assert (source.training_steps, source.action_repeat) == (120_000, 4)
    assert source.digest == hashlib.sha256(b"weights").hexdigest()


def test_a_damaged_newest_checkpoint_is_passed_over(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    newer = run / "checkpoints" / "000000130000"
    newer.mkdir()
    (newer / "state.json").write_text('{"sha2')
    assert find_policy(str(run)).training_steps == 120_000


def test_folders_that_are_no_runs(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="is a folder but no run directory"):
        find_policy(str(tmp_path))
    run = write_run(tmp_path / "run")
    (run / "checkpoints" / "000000120000" / "state.json").unlink()
    with pytest.raises(InvalidArgument, match="holds no whole checkpoint"):
        find_policy(str(run))
    broken = write_run(tmp_path / "broken", task="walker-fly")
    with pytest.raises(InvalidArgument, match="no run directory"):
        find_policy(str(broken))


@pytest.mark.parametrize(
    "config",
    [
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"agent": "cvrl"}',
        b'{"agent": "cvrl", "config": {"seed": 1e999}}',
        b"null",
    ],
)
def test_a_hostile_config_is_no_run_directory(tmp_path: Path, config: bytes) -> None:
    run = write_run(tmp_path / "run")
    (run / "config.json").write_bytes(config)
    with pytest.raises(InvalidArgument, match="is a folder but no run directory"):
        find_policy(str(run))


def test_one_byte_of_the_newest_weights_makes_the_older_checkpoint_the_one_that_counts(
    tmp_path: Path,
) -> None:
    run = write_run(tmp_path / "run")
    newer = run / "checkpoints" / "000000130000"
    newer.mkdir()
    (newer / "checkpoint.safetensors").write_bytes(b"weightz")
    state = {"sha256": hashlib.sha256(b"newer weights").hexdigest(), "control_steps": 130_000}
    (newer / "state.json").write_text(json.dumps(state))
    source = find_policy(str(run))
    assert (source.training_steps, source.digest) == (120_000, hashlib.sha256(b"weights").hexdigest())
