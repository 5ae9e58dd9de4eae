"""Training on the batched environment, `--vector warp`, with a simulator of tensors in its place.

What the real one does with it is in tests/batched/test_training.py.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from agents.training import command_line
from agents.training.command_line import check_config
from agents.training.config import RunConfig
from agents.training.loading import load
from agents.training.trainer import Stopped, Trainer
from natural_mujoco import BatchedError, InvalidArgument, batched
from natural_mujoco.batched import requirements

from .fake_envs import FakeEnvs
from .tiny import tiny_cvrl, tiny_distil, tiny_ppo


class FakeTensorEnvs(FakeEnvs):
    """`FakeEnvs` as the batched environment is: tensors in and out, and never twice the same."""

    made = 0

    def reset(self, **kwargs: Any) -> Any:
        FakeTensorEnvs.made += 1
        frames, infos = super().reset(**kwargs)
        frames[:, 1, 0, 0] = FakeTensorEnvs.made
        return torch.from_numpy(frames), infos

    def step(self, actions: Any) -> Any:
        if isinstance(actions, Tensor):
            actions = actions.numpy()
        frames, rewards, terminated, truncated, infos = super().step(actions)
        new = self.row == 0  # episodes follow on each other with other seeds, as they do where none is given
        self.seeds = np.where(new, (self.seeds + 1) % 256, self.seeds)
        frames[:, 0, 0, 0] = self.seeds
        frames[:, 1, 0, 0] = FakeTensorEnvs.made
        tensors = (torch.from_numpy(x) for x in (frames, rewards.astype(np.float32), terminated, truncated))
        return *tensors, infos

    def state_observation(self) -> Tensor:
        states = [np.concatenate(list(state.values())) for state in super().call("task_observation")]
        return torch.from_numpy(np.stack(states).astype(np.float32))


@pytest.fixture
def warp(monkeypatch: pytest.MonkeyPatch) -> list[FakeTensorEnvs]:
    """Puts `FakeTensorEnvs` in place of the batched environment; those that were made."""
    made: list[FakeTensorEnvs] = []

    def make(task: str, variant: str, num_envs: int, device: torch.device, **kwargs: Any) -> FakeTensorEnvs:
        assert device == torch.device("cpu")
        made.append(FakeTensorEnvs(num_envs, **kwargs))
        return made[-1]

    monkeypatch.setattr(batched, "make", make)
    monkeypatch.setattr(batched, "require", lambda device: device)
    return made


def trainer(config: RunConfig) -> Trainer:
    return Trainer(check_config(replace(config, videos="embedded")))


def ppo(folder: Path, steps: int = 400, **changes: Any) -> Trainer:
    return trainer(tiny_ppo(logdir=folder, steps=steps, device="cpu", threads=1, vector="warp", **changes))


def stopping_after(run: Trainer, rows: int) -> Trainer:
    """`run` once it was stopped, as by a signal, when its replay had `rows` more rows."""
    last = run.replay.rows + rows
    step = run.collector.step

    def stop(randomly: bool) -> Any:
        if run.replay.rows == last:
            raise Stopped(15)
        return step(randomly)

    run.collector.step = stop  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        run.run()
    return run


def seen_by(run: Trainer) -> list[Any]:
    """The batches that `run` learns from, as it goes."""
    seen: list[Any] = []
    update = run.agent.update
    run.agent.update = lambda batch: (seen.append(batch), update(batch))[1]  # type: ignore[method-assign]
    return seen


@pytest.mark.usefixtures("warp")
def test_ppos_frames_and_actions_never_leave_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that holds frames or actions is brought to the processor or made an array, and no file holds a frame."""
    run = ppo(tmp_path)
    seen = seen_by(run)

    def refuse(whole: Any) -> Any:
        def convert(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
            assert tensor.dim() < 2, f"{tensor.dtype} {list(tensor.shape)} has left the device"
            return whole(tensor, *args, **kwargs)

        return convert

    step, numpy = FakeTensorEnvs.step, Tensor.numpy
    with monkeypatch.context() as patched:
        for name in ("cpu", "numpy", "tolist", "__array__"):
            patched.setattr(Tensor, name, refuse(getattr(Tensor, name)))
        patched.setattr(run, "_save", lambda: None)
        # The simulator itself is one of arrays.
        patched.setattr(FakeTensorEnvs, "step", lambda envs, actions: step(envs, numpy(actions)))
        run.run()
    assert run.updates == len(seen) == 400 // (6 * 3 * 2)
    assert not list((tmp_path / "replay").glob("*"))
    for rollout in seen:  # and it is the experience: see test_ppo.py
        frames = rollout.frames.flatten(0, 1)[rollout.stacks]
        rows, taken = frames[..., 0, 1, 0].int(), rollout.cut == 0
        assert torch.equal(rows[:, 1:, -1][taken], rows[:, :-1, -1][taken] + 1)
        torch.testing.assert_close(rollout.rewards[taken], 1 + rollout.actions.mean(-1)[taken])


def test_a_run_on_the_batched_environment_has_one_round(tmp_path: Path, warp: list[FakeTensorEnvs]) -> None:
    """Resetting all worlds with seeds takes seconds for thousands of them; their next episodes are drawn ahead."""
    run = ppo(tmp_path)
    run.run()
    assert len(warp) == 1
    assert len(warp[0].seeds_seen) == 1
    assert warp[0].kwargs["split"] == "train"
    episodes = [json.loads(line) for line in (tmp_path / "episodes.jsonl").read_text().splitlines()]
    assert len(episodes) == 3 * (400 // 60)
    assert {episode["length"] for episode in episodes} == {20}


@pytest.mark.usefixtures("warp")
@pytest.mark.parametrize("rows", [7, 9, 13, 14, 18])
def test_ppo_resumes_with_new_episodes_and_takes_the_unlearned_steps_again(
    tmp_path: Path, rows: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Updates come after rows 7 and 14, of which two are resets. Every rollout that is learned from is whole."""
    first = ppo(tmp_path)
    stopping_after(first, rows)
    first._save()
    again = ppo(tmp_path)
    assert "New episodes begin" in capsys.readouterr().out
    assert again.updates == first.updates
    assert again.control_steps == again.updates * 36
    seen = seen_by(again)
    again.run()
    assert again.updates == 400 // 36
    assert again.control_steps >= 400
    for rollout in seen:
        assert (rollout.cut == 0).sum() == 18
        frames = rollout.frames.flatten(0, 1)[rollout.stacks]
        assert (frames[..., 1, 0, 0] == FakeTensorEnvs.made).all(), "a stack holds frames of before the stop"
    # A finished run stays finished.
    finished = ppo(tmp_path)
    assert "New episodes" not in capsys.readouterr().out
    steps = finished.control_steps
    finished.run()
    assert (finished.updates, finished.control_steps) == (again.updates, steps)
    assert load(tmp_path, "cpu").training_steps == steps
    # And goes on when it is asked for more.
    longer = ppo(tmp_path, steps=500)
    seen = seen_by(longer)
    longer.run()
    assert longer.updates == 504 // 36  # the last step of three environments passes 500
    assert all((rollout.cut == 0).sum() == 18 for rollout in seen)


@pytest.mark.parametrize("config", [tiny_cvrl(num_envs=2), tiny_distil()], ids=["cvrl", "distil"])
@pytest.mark.usefixtures("warp")
def test_other_agents_collect_from_it_and_keep_their_replay(tmp_path: Path, config: RunConfig) -> None:
    config = replace(config, logdir=tmp_path, steps=200, device="cpu", threads=1, vector="warp")
    first = trainer(config)
    stopping_after(first, 25)
    first._save()
    kept = [column.data[:, :25].copy() for column in first.replay._columns]
    again = trainer(config)
    again.run()
    assert again.control_steps >= 200
    for column, before in zip(again.replay._columns, kept, strict=True):
        np.testing.assert_array_equal(column.data[:, :25], before)
    frames = again.replay._frames.data[:, 24:26, 1, 0, 0]
    assert (frames[:, 1] > frames[:, 0]).all(), "new episodes after the resumption"
    if again.agent.state_size:
        windows = again.replay.sample_states(20, 3, np.random.default_rng(0))[1]
        assert windows.any()


class SharedTensorEnvs(FakeTensorEnvs):
    """Tells clips as the batched environment does: by their numbers among `videos`."""

    videos = tuple(f"clip-{i}" for i in range(256))

    def _info(self) -> dict[str, Any]:
        background = {"video": torch.from_numpy(self.seeds), "frame": torch.from_numpy(self.row + 3)}
        return {"background": background}


def test_all_worlds_begin_together_with_one_background_a_group(
    tmp_path: Path, warp: list[FakeTensorEnvs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        batched,
        "make",
        lambda *args, **kwargs: warp.append(SharedTensorEnvs(4, lengths=(10, 10, 6, 10))) or warp[-1],
    )
    config = tiny_cvrl(logdir=tmp_path, steps=400, device="cpu", threads=1, vector="warp", num_envs=4)
    config = replace(
        config,
        variant="natural",
        environment=replace(config.environment, shared_background=True),
        replay=replace(config.replay, simultaneous_windows=2),
        training=replace(config.training, prefill=80),
    )
    trainer(config).run()
    (envs,) = warp
    seeds, options = envs.seeds_seen, envs.options_seen
    rounds = len(seeds) // 3
    assert rounds > 2
    assert seeds == [drawn for drawn in seeds[::3] for _ in range(3)]
    assert len({tuple(drawn) for drawn in seeds}) == rounds
    assert options[::3] == [None] * rounds
    for group, first in ((1, 0), (2, 2)):  # two worlds each, with what the first of them drew
        masks = [asked.pop("reset_mask").tolist() for asked in options[group::3]]
        assert masks == [[i // 2 == first // 2 for i in range(4)]] * rounds
        assert options[group::3] == [
            {"video": f"clip-{drawn[first] % 256}", "frame": 3} for drawn in seeds[::3]
        ]


def test_what_vector_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    flags = ["--logdir", str(folder), "--device", "cpu", "--vector"]
    assert command_line.main("ppo", [*flags, "wrap"]) == 2
    assert "Unknown vector 'wrap'. Valid: workers, warp." in capsys.readouterr().err
    monkeypatch.setattr(requirements, "_version", lambda package: None if "warp" in package else "1")
    assert command_line.main("ppo", [*flags, "warp"]) == 1
    assert (
        "warp-lang and mujoco-warp are not installed. `pip install 'natural-mujoco[gpu]'`"
        in capsys.readouterr().err
    )
    with pytest.raises(BatchedError, match="not installed"):
        check_config(tiny_cvrl(vector="warp", device="cpu"))
    with pytest.raises(InvalidArgument, match="--device cuda: PyTorch sees no CUDA GPU here"):
        check_config(tiny_ppo(vector="warp", device="cuda"))
    monkeypatch.setattr(batched, "require", lambda device: device)
    config = tiny_cvrl(vector="warp", device="cpu", num_envs=2)
    with pytest.raises(InvalidArgument, match=r"--replay\.simultaneous-windows needs"):
        check_config(replace(config, replay=replace(config.replay, simultaneous_windows=2)))
    assert not folder.exists()


@pytest.mark.usefixtures("warp", "fake_simulator")
def test_a_run_stays_with_the_environment_it_was_begun_in(tmp_path: Path) -> None:
    ppo(tmp_path, steps=40).run()
    with pytest.raises(InvalidArgument, match="vector: 'warp' there, 'workers' here"):
        trainer(tiny_ppo(logdir=tmp_path, steps=40, device="cpu", threads=1))
