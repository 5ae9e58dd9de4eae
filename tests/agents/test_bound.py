from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from agents.studies import bound
from agents.studies.bound import go_on, main
from agents.training.checkpoint import save_checkpoint
from agents.training.command_line import main as train
from agents.training.config import EnvironmentConfig
from agents.training.loading import load
from agents.training.run_folder import save_config

from .fake_envs import FakeEnvs
from .test_loading import write_run
from .tiny import make, random_batch, tiny_cvrl, tiny_dreamer, tiny_repo, tiny_sac
from .untrained import write_untrained_run

RUN = [
    "--task",
    "walker-walk",
    "--variant",
    "standard",
    "--steps",
    "120",
    "--num-envs",
    "1",
    "--device",
    "cpu",
    "--threads",
    "1",
]
TINY = [
    "--training.prefill",
    "40",
    "--training.batch-size",
    "2",
    "--training.batch-length",
    "6",
    "--training.evaluate-every",
    "0",
    "--training.train-every",
    "1",
    "--training.precision",
    "float32",
    "--replay.capacity",
    "500",
    "--model.encoder-depth",
    "2",
    "--model.deterministic",
    "12",
    "--model.stochastic",
    "4",
    "--model.hidden",
    "10",
    "--behaviour.horizon",
    "3",
]


class Batches:
    """In place of a replay: every batch is another one."""

    def __init__(self) -> None:
        self.drawn = 0

    def sample(self, *_: Any) -> Any:
        self.drawn += 1
        return random_batch(self.drawn)


def parameters(module: torch.nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


@pytest.mark.parametrize("config", [tiny_cvrl, tiny_dreamer, tiny_repo])
@pytest.mark.parametrize("way", ["behaviour", "model"])
def test_the_behaviour_learns_before_a_model_that_no_longer_does(config: Any, way: Any) -> None:
    agent = make(config())
    played: list[tuple[list[Tensor], list[Tensor]]] = []

    def play(agent: Any) -> list[float]:
        played.append((parameters(agent.world_model), parameters(agent.actor)))
        return [float(len(played))]

    stands = list(go_on(agent, Batches(), way, updates=5, every=2, earn=play))  # type: ignore[arg-type]
    taught = 5 if way == "model" else 0
    assert [s[:2] for s in stands] == [(0, 0), (taught, 2), (taught, 4), (taught, 5)]
    assert [s.returns for s in stands] == [[1.0], [2.0], [3.0], [4.0]]
    assert [s.imagined_return is None for s in stands] == [True, False, False, False]

    def same(a: list[Tensor], b: list[Tensor]) -> bool:
        return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))

    models, actors = zip(*played, strict=True)
    assert same(models[0], models[1]) == (way == "behaviour")
    assert same(models[1], models[3])
    assert not any(same(actors[i], actors[i + 1]) for i in range(3))


def test_a_run_is_read_and_left_as_it_is(
    tmp_path: Path, fake_simulator: list[FakeEnvs], capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = tmp_path / "run", tmp_path / "bound.json"
    assert train("cvrl", [*RUN, *TINY, "--logdir", str(run)]) == 0
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    capsys.readouterr()
    options = ["--updates", "3", "--every", "2", "--episodes", "2", "--threads", "1", "--device", "cpu"]
    options += ["--probe-episodes", "0"]
    assert main([str(run), *options, "--out", str(out)]) == 0
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before

    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines if ":" in line] == ["behaviour", "anew", "model"]
    ways = json.loads(out.read_text())["ways"]
    assert [len(ways[way]) for way in bound.WAYS] == [3, 3, 3]
    assert ways["model"][-1]["model_updates"] == ways["model"][-1]["behaviour_updates"] == 3


def test_only_anew_begins_with_another_actor(tmp_path: Path, fake_simulator: list[FakeEnvs]) -> None:
    run = tmp_path / "run"
    assert train("cvrl", [*RUN, *TINY, "--logdir", str(run)]) == 0
    policy = load(run, "cpu")
    agents = {way: bound._agent(run, way, policy) for way in bound.WAYS}
    for part, differs in (("world_model", False), ("actor", True), ("value", True), ("critic", True)):
        kept, anew = (
            torch.cat([p.flatten() for p in parameters(getattr(agents[way], part))])
            for way in ("behaviour", "anew")
        )
        assert torch.equal(kept, anew) != differs


def test_what_it_cannot_judge_is_said(tmp_path: Path, fake_simulator: list[FakeEnvs], capsys: Any) -> None:
    write_run(tmp_path / "sac", tiny_sac())
    assert main([str(tmp_path / "sac"), "--device", "cpu"]) == 2
    assert "which has no world model" in capsys.readouterr().err
    run = tmp_path / "run"
    assert train("cvrl", [*RUN, *TINY, "--logdir", str(run)]) == 0
    shutil.rmtree(run / "replay")
    assert main([str(run), "--device", "cpu", "--probe-episodes", "0"]) == 1
    assert "has no replay any more" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(run), "--every", "0"])


def test_sight_is_scored_on_other_episodes_in_front_of_held_out_videos(tmp_path: Path, capsys: Any) -> None:
    """A latent that was never trained sees little of the cart; the run is evaluated in the real simulator."""
    config = replace(
        tiny_cvrl(),
        task="cartpole-swingup",
        videos="embedded",
        environment=EnvironmentConfig(action_repeat=25),
    )
    save_config(tmp_path, config)
    agent = make(config, 1)
    save_checkpoint(tmp_path, 1, agent.tensors(), {"action_size": 1, "control_steps": 123})
    out = tmp_path.parent / "sight.json"
    assert main([str(tmp_path), "--device", "cpu", "--probe-episodes", "4", "--ways", "--out", str(out)]) == 0
    seen = json.loads(out.read_text())["sight"]
    assert {"mean", "reward", "position[0]", "velocity[1]"} <= set(seen)
    quantities = [r2 for name, r2 in seen.items() if name not in ("mean", "reward")]
    assert seen["mean"] == pytest.approx(sum(quantities) / len(quantities))
    assert max(quantities) < 1
    assert "sight: R²" in capsys.readouterr().out


def test_of_a_reward_that_never_comes_there_is_no_sight(tmp_path: Path, capsys: Any) -> None:
    """An untrained pendulum hangs down and earns nothing."""
    run = write_untrained_run(tmp_path / "run", tiny_cvrl(task="pendulum-swingup", videos="embedded"))
    out = tmp_path / "sight.json"
    assert main([str(run), "--device", "cpu", "--probe-episodes", "2", "--ways", "--out", str(out)]) == 0
    seen = json.loads(out.read_text())["sight"]
    assert {"mean", "velocity"} <= set(seen)
    assert "reward" not in seen
    assert "reward  never varies" in capsys.readouterr().out
