"""Recordings: Minari reads them, they hold what happened, no whole episode is lost, mistakes end in one sentence."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from agents.training.config import EnvironmentConfig
from natural_mujoco import FileError, InvalidArgument, files
from natural_mujoco.cli import main
from natural_mujoco.demonstrations import Recording, record
from natural_mujoco.experts import flatten, load_expert
from tests.agents.tiny import tiny_cvrl
from tests.agents.untrained import write_untrained_run

# Where Minari cannot be installed at all, test_without_minari.py is what holds.
pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="no Minari for Python 3.10")

ID = "NaturalMujoco/ReacherEasy-v0"


def load(folder: Path) -> Any:
    """As a user would: by Minari's own means, from the folder's name."""
    import minari

    os.environ["MINARI_DATASETS_PATH"] = str(folder.parent)
    return minari.load_dataset(folder.name)


@pytest.fixture(autouse=True)
def _minaris_own_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "nothing"))


def mixture(clips: Path, **changes: Any) -> Recording:
    """Random, undisturbed and noisy in turn; 21 frames an episode."""
    settings: dict[str, Any] = {"action_repeat": 50, "videos": str(clips), **changes}
    return Recording.of("ReacherEasy", ["random", "expert"], [0.0, 0.3], **settings)


def test_minari_loads_what_happened(plain_clips: Path, tmp_path: Path, capsys: Any) -> None:
    """Every recorded action, taken again from the recorded seed, leads to the recorded frame, state, matte and clip."""
    folder = tmp_path / "sets" / "mixture-v3"
    command = ["episodes", "record", "reacher-easy", "--policy", "random", "expert", "--noise", "0", "0.3"]
    command += [
        "--episodes",
        "4",
        "--action-repeat",
        "50",
        "--videos",
        str(plain_clips),
        "--out",
        str(folder),
    ]
    assert main(command) == 0
    told = capsys.readouterr()
    assert f"MINARI_DATASETS_PATH={folder.parent}, minari.load_dataset('mixture-v3')" in told.out
    assert "at most" in told.err
    dataset = load(folder)
    assert (dataset.total_episodes, dataset.total_steps) == (4, 80)
    metadata = list(dataset.storage.get_episode_metadata(range(4)))
    assert [(m["policy"], m["noise"]) for m in metadata] == [
        ("random", 0),
        ("expert", 0),
        ("expert", 0.3),
        ("random", 0),
    ]
    assert [m["privileged"] for m in metadata] == ["", "state", "state", ""]
    expert = load_expert("reacher-easy")
    with gym.make(ID, videos=str(plain_clips), action_repeat=50) as env:
        unwrapped: Any = env.unwrapped
        assert dataset.env_spec.kwargs == env.spec.kwargs | {"split": "train", "size": 64}  # type: ignore[union-attr]
        for episode, about in zip(dataset, metadata, strict=True):
            observation, info = env.reset(seed=about["seed"])
            greedy = []
            for t in range(21):
                np.testing.assert_array_equal(episode.observations[t], observation)
                np.testing.assert_array_equal(episode.infos["matte"][t], unwrapped.matte)
                np.testing.assert_array_equal(
                    episode.infos["physics"][t], unwrapped.dm_control_env.physics.get_state()
                )
                for part, value in unwrapped.task_observation.items():
                    np.testing.assert_array_equal(episode.infos["state"][part][t], value)
                shown = {k: episode.infos["background"][k][t] for k in ("set", "video", "frame")}
                assert shown["video"].decode() == info["background"]["video"]
                assert shown["frame"] == info["background"]["frame"]
                assert episode.infos["control_steps"][t] == info["control_steps"] == 50 * t
                greedy.append(expert.act(flatten(unwrapped.task_observation)))
                if t < 20:
                    observation, reward, terminated, truncated, info = env.step(episode.actions[t])
                    assert (episode.rewards[t], episode.terminations[t]) == (reward, terminated)
                    assert episode.truncations[t] == truncated == (t == 19)
            assert about["return"] == pytest.approx(episode.rewards.sum())
            away = np.abs(np.array(greedy[:20]) - episode.actions)
            if about["policy"] == "expert":
                assert away.max() < 1e-5 if about["noise"] == 0 else 0.05 < away.mean() < 0.5
            assert np.abs(episode.actions).max() <= 1


def test_a_kill_keeps_whole_episodes_and_the_same_call_records_the_others(
    plain_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = tmp_path / "whole-v0", tmp_path / "parts-v0"
    assert record(mixture(plain_clips), 4, whole) == 4
    write, calls = files.write_bytes, [0]

    def killed(path: Path, data: bytes, *others: Any) -> None:
        calls[0] += "episodes" in path.parts
        if calls[0] == 3:
            raise KeyboardInterrupt
        write(path, data, *others)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_bytes", killed)
        with pytest.raises(KeyboardInterrupt):
            record(mixture(plain_clips), 3, parts)
    calls[0] = -100
    (parts / "data" / "episodes" / "000001.hdf5").write_bytes(b"cut off")  # by the power, say
    assert record(mixture(plain_clips), 3, parts) == 3
    assert load(parts).total_episodes == 3
    assert record(mixture(plain_clips), 4, parts) == 4, "more episodes go on with the same set"
    assert record(mixture(plain_clips), 2, parts) == 4, "fewer lose none"
    for one, other in zip(load(whole), load(parts), strict=True):
        for field in ("observations", "actions", "rewards"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    seeds = [m["seed"] for m in load(parts).storage.get_episode_metadata(range(4))]
    assert len(set(seeds)) == 4


def test_a_reader_sees_whole_episodes_after_a_kill_that_nothing_survived(
    plain_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from natural_mujoco.demonstrations.dataset import Dataset

    folder = tmp_path / "set-v0"
    record(mixture(plain_clips), 2, folder)
    monkeypatch.setattr(Dataset, "publish", lambda self: None)  # what a SIGKILL leaves undone
    record(mixture(plain_clips), 3, folder)
    assert [episode.id for episode in load(folder)] == [0, 1]
    monkeypatch.undo()
    record(mixture(plain_clips), 3, folder)
    assert load(folder).total_episodes == 3


def test_a_full_disk_is_one_sentence_and_loses_nothing(
    plain_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "set-v0"
    record(mixture(plain_clips), 1, folder)
    with monkeypatch.context() as patch:
        sync = os.fsync

        def full(descriptor: int) -> None:
            if os.fstat(descriptor).st_size > 2_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            sync(descriptor)

        patch.setattr(os, "fsync", full)
        with pytest.raises(
            FileError, match=r"^Cannot write \S+set-v0\. The disk is full: free some space, or give"
        ):
            record(mixture(plain_clips), 2, folder)
    assert load(folder).total_episodes == 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**12, 10**12, 10**6))
    with pytest.raises(FileError, match=r"up to 0\.0 GB and \S+ has 0\.0 GB left: free some space"):
        record(mixture(plain_clips), 60, folder)
    assert load(folder).total_episodes == 1


def _foreign(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")


def _others(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "metadata.json").write_text(json.dumps({"dataset_id": "door/human-v2"}))


@pytest.mark.parametrize(
    ("name", "make", "fault"),
    [
        ("set-v0", _foreign, r"not empty and holds no dataset \(there is 'thesis\.tex'\)"),
        ("set-v0", _others, "holds another dataset. Give a new folder"),
        ("set", lambda folder: None, r"ends in a version\. Call the folder set-v0, say"),
        ("my set-v0", lambda folder: None, "letters, digits, - and _"),
    ],
)
def test_folders_of_others_are_left_alone(
    plain_clips: Path, tmp_path: Path, name: str, make: Callable[[Path], None], fault: str
) -> None:
    make(tmp_path / name)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InvalidArgument, match=fault):
        record(mixture(plain_clips), 1, tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before


def test_another_recording_in_the_folder_is_named(plain_clips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set-v0"
    record(mixture(plain_clips), 1, folder)
    for changes, fault in (({"seed": 1}, "seed: 0 there, 1 here"), ({"split": "test"}, "split: train there")):
        with pytest.raises(InvalidArgument, match=fault):
            record(mixture(plain_clips, **changes), 1, folder)


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        (["walker-fly"], "Unknown task 'walker-fly'"),
        (["walker-walk", "--policy", "experts"], "neither zero, random, expert"),
        (["walker-walk", "--policy", "os:getcwd"], "record zero, random, expert or a run directory"),
        (["walker-walk", "--noise", "-1"], "--noise is -1.0; it must be from 0 to 10"),
        (["walker-walk", "--noise", "nan"], "--noise is nan"),
        (["walker-walk", "--episodes", "0"], "--episodes is 0; it must be from 1"),
    ],
)
def test_mistakes_end_in_one_sentence(
    flags: list[str], fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["episodes", "record", *flags, "--videos", "embedded", "--out", str(tmp_path / "a-v0")]) == 2
    told = capsys.readouterr().err
    assert fault in told
    assert len(told.strip().splitlines()) == 1
    assert not (tmp_path / "a-v0").exists()


def test_a_run_is_recorded_on_its_own_task_and_at_its_own_size(tmp_path: Path, capsys: Any) -> None:
    look = EnvironmentConfig(size=84)
    run = str(
        write_untrained_run(
            tmp_path / "run", tiny_cvrl(task="pendulum-swingup", variant="natural", environment=look)
        )
    )
    for words, message in (
        (["walker-walk"], "was trained on pendulum-swingup"),
        (["pendulum-swingup"], "reads frames of 84 pixels, and those recorded have 64: give --size 84."),
    ):
        command = ["episodes", "record", *words, "--policy", run, "--out", str(tmp_path / "set-v0")]
        assert main([*command, "--videos", "embedded", "--episodes", "1"]) == 2
        assert message in capsys.readouterr().err
    recording = Recording.of("pendulum-swingup", [run], size=84)
    assert (recording.size, recording.action_repeat) == (84, 100)


def test_a_probe_takes_a_recording(plain_clips: Path, tmp_path: Path) -> None:
    """States in dm_control's order, and the last episodes' motion in front of held-out videos too."""
    from agents.studies.recorded_data import Recorded

    folder = tmp_path / "set-v0"
    record(mixture(plain_clips), 3, folder)
    recorded = Recorded(folder)
    test, seen = recorded.elsewhere(range(1, 3), lambda done: None)
    assert test.names == (
        "position[0]",
        "position[1]",
        "to_target[0]",
        "to_target[1]",
        "velocity[0]",
        "velocity[1]",
    )
    np.testing.assert_allclose(test.states, seen.states)
    np.testing.assert_array_equal(test.actions, seen.actions)
    np.testing.assert_allclose(test.rewards, seen.rewards)
    assert (test.frames != seen.frames).any()
    assert test.frames.shape == (2, 21, 64, 64, 3)
    (first,) = load(folder).iterate_episodes([0])
    train = recorded.episodes(range(1), ("position", "to_target", "velocity"))
    np.testing.assert_array_equal(train.actions[0, 1:], first.actions)
    np.testing.assert_array_equal(train.frames[0], first.observations)
    with pytest.raises(InvalidArgument, match="is no dataset of `natural-mujoco episodes record`"):
        Recorded(tmp_path)
