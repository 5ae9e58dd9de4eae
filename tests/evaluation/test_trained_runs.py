"""Run directories of the bundled agents, written by the agents and evaluated by the command."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from agents.table import make_agent
from agents.training.checkpoint import save_checkpoint
from natural_mujoco.cli import main
from natural_mujoco.evaluation.checking import check_results
from natural_mujoco.evaluation.policy_source import find_policy
from natural_mujoco.evaluation.records import read_results
from tests.agents.tiny import CPU, tiny_cvrl, tiny_sac
from tests.agents.untrained import write_untrained_run


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    make = {"task": "pendulum-swingup", "variant": "natural"}
    return [
        str(write_untrained_run(tmp_path / f"cvrl-{seed}", tiny_cvrl(seed=seed, **make))) for seed in (0, 1)
    ]


def test_several_runs_become_one_entry(
    runs: list[str], plain_clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results.json"
    arguments = ["evaluate", "--out", str(out), "--videos", str(plain_clips), "--episodes", "2",
                 "--conditions", "standard", "natural-test", "--workers", "1", "--policy"]  # fmt: skip
    assert main([*arguments, *runs]) == 0
    results = read_results(out)
    assert results.entry.name == "cvrl"
    assert check_results(results).faults == ()
    assert [
        (r.training_seed, r.tasks, r.training_steps, r.trained_on, r.action_repeat) for r in results.runs
    ] == [(seed, ("pendulum-swingup",), 4000, "natural", 100) for seed in (0, 1)]
    assert len({run.digest for run in results.runs}) == 2
    assert len(results.episodes) == 2 * 2 * 2
    # Nobody wrote down on which clips the curve was played, so it does not pass for natural-test.
    assert [(c.training_seed, c.condition, c.departures, c.steps, c.returns) for c in results.curves] == [
        (s, "as trained", ("videos unknown",), (4000,), (12.5,)) for s in (0, 1)
    ]
    # And again: nothing to do, the same bytes.
    before = out.read_bytes()
    assert main([*arguments, *runs]) == 0
    assert out.read_bytes() == before
    capsys.readouterr()
    assert main([*arguments, runs[0], "--training-seed", "5"]) == 2
    assert "--training-seed: a run directory knows its own" in capsys.readouterr().err


def test_a_new_checkpoint_is_another_policy(
    runs: list[str], plain_clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results.json"
    arguments = ["evaluate", "--policy", runs[0], "--out", str(out), "--videos", str(plain_clips), "--episodes", "1",
                 "--conditions", "natural-test", "--workers", "1"]  # fmt: skip
    assert main(arguments) == 0
    config = dataclasses.replace(tiny_cvrl(task="pendulum-swingup", seed=9))
    state = {"control_steps": 5000, "action_size": 1}
    save_checkpoint(Path(runs[0]), 8, make_agent(config, 1, CPU).tensors(), state)
    assert main(arguments) == 1
    assert "of another policy" in capsys.readouterr().err
    assert len(read_results(out).episodes) == 1


def test_every_kind_of_agent_describes_itself(tmp_path: Path) -> None:
    run = write_untrained_run(tmp_path / "run", tiny_sac(task="CartpoleSwingup", variant="standard", seed=4))
    source = find_policy(str(run))
    assert (source.agent, source.task, source.trained_on) == ("sac", "cartpole-swingup", "standard")
