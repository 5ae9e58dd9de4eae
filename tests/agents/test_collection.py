from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from agents.training.collection import Collector, environment_id, make_environments, round_seeds
from agents.training.config import CVRLConfig, EnvironmentConfig
from agents.training.replay import Replay
from agents.training.sampling import groups
from agents.training.state import CollectorState
from natural_mujoco import InvalidArgument, NaturalMujocoError

from .fake_envs import FakeEnvs
from .tiny import make, tiny_cvrl


def make_collector(
    folder: Path,
    lengths: tuple[int, ...] = (10,),
    num_envs: int = 3,
    longest: int = 0,
    sharing: int = 0,
    held: int = 1,
) -> Collector:
    envs = FakeEnvs(num_envs, lengths)
    replay = Replay(folder, num_envs, 600, (64, 64, 3), 2)
    return Collector(envs, make(tiny_cvrl()), replay, seed=5, longest=longest, sharing=sharing, held=held)


def run(collector: Collector, steps: int, randomly: bool = False) -> list[Any]:
    return [collector.step(randomly) for _ in range(steps)]


def asked(collector: Collector) -> FakeEnvs:
    """What its environments were asked for."""
    assert isinstance(collector.envs, FakeEnvs)
    return collector.envs


def rows(collector: Collector) -> np.ndarray:
    """(seed byte, step) of every row stored, [streams, rows, 2]."""
    frames = collector.replay._frames.data[:, : collector.replay.rows]
    return np.stack([frames[:, :, 0, 0, 0], frames[:, :, 0, 1, 0]], -1)


def test_a_round_is_a_seeded_reset_and_one_episode_of_each(tmp_path: Path) -> None:
    collector = make_collector(tmp_path)
    results = run(collector, 23)
    assert [steps for steps, _ in results] == [0, *[3] * 10, 0, *[3] * 10, 0]
    assert [len(episodes) for _, episodes in results if episodes] == [3, 3]
    assert all(e.length == 10 for _, episodes in results for e in episodes)
    assert asked(collector).seeds_seen == [round_seeds(5, n, 3) for n in range(3)]
    assert rows(collector)[0, :, 1].tolist() == [*range(11), *range(11), 0]


def test_with_a_shared_background_a_round_shows_everyone_what_the_first_one_drew(tmp_path: Path) -> None:
    collector = make_collector(tmp_path, sharing=3)
    run(collector, 23)
    seeds = [round_seeds(5, n, 3) for n in range(3)]
    assert asked(collector).seeds_seen == [s for s in seeds for _ in range(2)]
    pinned = [{"video": f"clip-{s[0] % 256}", "frame": 0} for s in seeds]
    assert asked(collector).options_seen == [x for options in pinned for x in (None, options)]

    again = make_collector(tmp_path, sharing=3)
    state = CollectorState.model_validate(json.loads(json.dumps(collector.state())))
    run(collector, 3)
    saved, tensors = collector.replay.sync(), collector.memory_tensors()
    state = CollectorState.model_validate(json.loads(json.dumps(collector.state())))
    again.replay.restore(saved, {}, "")
    again.restore(state, tensors, "")
    assert asked(again).options_seen == [None, pinned[-1]]


def test_with_a_shared_background_frames_differ_by_the_robot_alone(tmp_path: Path) -> None:
    config = CVRLConfig(task="cartpole-swingup", videos="embedded", num_envs=3)
    shown = {}
    for shared in (False, True):
        envs = make_environments(config, 3)
        replay = Replay(tmp_path / str(shared), 3, 600, (64, 64, 3), 1)
        collector = Collector(envs, make(tiny_cvrl(), 1), replay, seed=1, sharing=3 * shared)
        run(collector, 4, randomly=True)
        shown[shared] = replay._frames.data[:, :4].astype(int)
        envs.close()
    # The pole hangs or stands in the middle: the corners are background.
    corners = {shared: frames[:, :, :6, :6] for shared, frames in shown.items()}
    assert (corners[True] == corners[True][:1]).all()
    assert not (corners[False] == corners[False][:1]).all()
    assert not (shown[True] == shown[True][:1]).all()
    assert not (corners[True][:, 0] == corners[True][:, 3]).all()  # the video goes on


def test_groups_of_environments_share_a_background_of_their_own(tmp_path: Path) -> None:
    """With twice as many environments as a batch has beside each other, a round has two clips and not one."""
    envs = make_environments(CVRLConfig(task="cartpole-swingup", videos="embedded", num_envs=5), 5)
    replay = Replay(tmp_path, 5, 600, (64, 64, 3), 1)
    run(Collector(envs, make(tiny_cvrl(), 1), replay, seed=1, sharing=2), 4, randomly=True)
    envs.close()
    frames = replay._frames.data[:, :4].astype(int)
    corners = frames[:, :, :6, :6]
    assert (corners[:3] == corners[0]).all()
    assert (corners[3:] == corners[3]).all()
    assert not (corners[0] == corners[3]).all()
    assert len({frame.tobytes() for frame in frames[:, 0]}) == 5

    batch = replay.sample(40, 2, np.random.default_rng(0), simultaneous=2)
    pairs = batch.frames.numpy().reshape(20, 2, 2, 64, 64, 3)[:, :, :, :6, :6]
    assert (pairs[:, 0] == pairs[:, 1]).all(), "sequences that are beside each other are of one group"
    assert not (pairs[:, 0] == pairs[0, 0]).all(axis=(1, 2, 3, 4)).all()


@pytest.mark.parametrize(
    ("streams", "least", "sizes"),
    [(8, 8, [8]), (12, 8, [12]), (5, 8, [5]), (20, 8, [10, 10]), (64, 8, [8] * 8)],
)
def test_no_group_is_smaller_than_asked_but_for_want_of_environments(
    streams: int, least: int, sizes: list[int]
) -> None:
    found = groups(streams, least)
    assert [len(group) for group in found] == sizes
    assert np.concatenate(found).tolist() == list(range(streams))


def test_random_actions_are_held_for_some_steps_on_resuming_too(tmp_path: Path) -> None:
    collector = make_collector(tmp_path / "whole", held=3)
    run(collector, 22, randomly=True)
    actions = collector.replay._actions.data[:, :22]
    rounds = np.stack([actions[:, 1:11], actions[:, 12:22]])  # a reset comes with no action
    held = rounds[:, :, :9].reshape(2, 3, 3, 3, 2)  # round, environment, action, step of it
    assert (held == held[:, :, :, :1]).all()
    assert len({tuple(action) for action in held[:, :, :, 0].reshape(-1, 2).tolist()}) == 18
    assert np.abs(held).max() > 0.9

    first = make_collector(tmp_path / "parts", held=3)
    run(first, 9, randomly=True)
    replay = first.replay.sync()
    state = CollectorState.model_validate(json.loads(json.dumps(first.state())))
    second = make_collector(tmp_path / "parts", held=3)
    second.replay.restore(replay, first.replay.tensors(), "it")
    second.restore(state, first.memory_tensors(), "it")
    run(second, 13, randomly=True)
    assert np.array_equal(second.replay._actions.data[:, 9:22], actions[:, 9:])


def test_a_round_ends_early_where_rounds_are_short(tmp_path: Path) -> None:
    collector = make_collector(tmp_path, longest=4)
    results = run(collector, 11)
    assert [steps for steps, _ in results] == [0, *[3] * 4, 0, *[3] * 4, 0]
    assert [e.length for _, episodes in results for e in episodes] == [4] * 6
    assert asked(collector).seeds_seen == [round_seeds(5, n, 3) for n in range(3)]
    assert rows(collector)[0, :, 1].tolist() == [*range(5), *range(5), 0]
    # Each beginning is marked, so that no sequence of experience runs over it.
    assert collector.replay.recent(11)[0].first[0].tolist() == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    # Episodes that end by themselves before that do not end again.
    short = make_collector(tmp_path / "short", lengths=(3,), longest=8)
    assert [e.length for _, episodes in run(short, 6) for e in episodes] == [3] * 3


def test_seeds_differ_between_rounds_environments_and_runs() -> None:
    seeds = [s for run_seed in range(3) for n in range(4) for s in round_seeds(run_seed, n, 8)]
    assert len(set(seeds)) == len(seeds)


def test_returns_are_those_of_whole_episodes(tmp_path: Path) -> None:
    collector = make_collector(tmp_path)
    episodes = [e for _, ended in run(collector, 11, randomly=True) for e in ended]
    stored = collector.replay._rewards.data[:, :11]
    np.testing.assert_allclose([e.episode_return for e in episodes], stored.sum(1), rtol=1e-5)
    assert (stored[:, 0] == 0).all()


def test_rewards_and_actions_lie_with_the_frame_they_led_to(tmp_path: Path) -> None:
    collector = make_collector(tmp_path)
    run(collector, 25, randomly=True)
    actions = collector.replay._actions.data[:, :25]
    rewards = collector.replay._rewards.data[:, :25]
    first = rows(collector)[:, :, 1] == 0
    np.testing.assert_allclose(rewards[~first], 1 + actions.mean(-1)[~first], rtol=1e-5)
    assert (actions[first] == 0).all()


def test_episodes_of_different_lengths_never_share_a_sequence(tmp_path: Path) -> None:
    collector = make_collector(tmp_path, lengths=(4, 7, 9))
    results = run(collector, 60, randomly=True)
    assert sum(steps for steps, _ in results) == (rows(collector)[:, :, 1] > 0).sum()
    batch = collector.replay.sample(500, 4, np.random.default_rng(0))
    steps = batch.frames[:, :, 0, 1, 0].numpy().astype(int)
    assert (np.diff(steps, axis=1) == 1).all()


def test_the_agents_memory_starts_afresh_with_every_episode(tmp_path: Path) -> None:
    collector = make_collector(tmp_path, lengths=(3, 6))
    fresh = collector.agent.begin(3)["deterministic"]
    run(collector, 4)
    assert not torch.equal(collector.memory["deterministic"], fresh)
    run(collector, 1)  # environments 0 and 2 have just been reset
    same = (collector.memory["deterministic"] == fresh).all(1)
    assert same.tolist() == [True, False, True]


@pytest.mark.parametrize("longest", [0, 5])
@pytest.mark.parametrize("steps", [1, 4, 11, 12, 20])
def test_it_resumes_in_the_middle_of_an_episode(tmp_path: Path, steps: int, longest: int) -> None:
    lengths = (4, 7, 9)
    whole = make_collector(tmp_path / "whole", lengths, longest=longest)
    run(whole, 30)

    first = make_collector(tmp_path / "parts", lengths, longest=longest)
    run(first, steps)
    replay = first.replay.sync()
    state = CollectorState.model_validate(json.loads(json.dumps(first.state())))
    tensors = first.memory_tensors()
    noise = first.agent.acting_noise.get_state()

    second = make_collector(tmp_path / "parts", lengths, longest=longest)
    second.replay.restore(replay, first.replay.tensors(), "it")
    second.agent.acting_noise.set_state(noise)
    second.restore(state, tensors, "it")
    assert asked(second).steps_taken == max(0, second.row - 1)
    run(second, 30 - steps)
    assert np.array_equal(whole.replay._frames.data[:, steps:30], second.replay._frames.data[:, steps:30])
    assert np.array_equal(whole.replay._actions.data[:, steps:30], second.replay._actions.data[:, steps:30])


def test_a_simulator_that_changed_is_noticed_on_resuming(tmp_path: Path) -> None:
    first = make_collector(tmp_path)
    run(first, 5)
    state, replay = CollectorState.model_validate(first.state()), first.replay.sync()
    second = make_collector(tmp_path)
    second.replay.restore(replay, first.replay.tensors(), "it")
    second.seed = 6  # stands for other videos or another MuJoCo
    with pytest.raises(NaturalMujocoError, match="have changed since the checkpoint"):
        second.restore(state, first.memory_tensors(), "it")


def test_ids_of_tasks_and_variants() -> None:
    assert environment_id("ball-in-cup-catch", "natural") == "NaturalMujoco/BallInCupCatch-v0"
    assert environment_id("WalkerWalk", "standard") == "NaturalMujoco/WalkerWalkStandard-v0"
    with pytest.raises(InvalidArgument, match="walker-walk"):
        environment_id("walker-fly", "natural")
    with pytest.raises(InvalidArgument, match="natural, standard"):
        environment_id("walker-walk", "nautral")


def test_environments_get_the_settings_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, dict[str, Any]]] = []

    def make_vec(env_id: str, num_envs: int, **kwargs: Any) -> FakeEnvs:
        made.append((env_id, kwargs))
        return FakeEnvs(num_envs)

    monkeypatch.setattr(gym, "make_vec", make_vec)
    config = CVRLConfig(videos="embedded", environment=EnvironmentConfig(action_repeat=4, matte="paper"))
    make_environments(config, 2)
    make_environments(config, 2, split="test")
    natural = {"action_repeat": 4, "size": 64, "videos": "embedded", "playback": "loop", "matte": "paper"}
    assert made[0] == ("NaturalMujoco/WalkerWalk-v0", {**natural, "split": "train"})
    assert made[1][1]["split"] == "test"
    make_environments(CVRLConfig(variant="standard"), 1)
    assert made[2] == ("NaturalMujoco/WalkerWalkStandard-v0", {"action_repeat": 2, "size": 64})
