"""What a user does wrong: each mistake raises one clear sentence with the remedy, and nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import gymnasium as gym
import numpy as np
import pytest

from natural_mujoco import (
    TASKS,
    InvalidArgument,
    NaturalMujocoError,
    RenderingError,
    VideoSetError,
    WorkerError,
)
from natural_mujoco.environment import NaturalMujocoEnv

NATURAL = "NaturalMujoco/CheetahRun-v0"
STANDARD = "NaturalMujoco/CheetahRunStandard-v0"


@pytest.fixture
def env(plain_clips: Path) -> Iterator[NaturalMujocoEnv]:
    """A natural environment, six actions, that has been reset."""
    made = NaturalMujocoEnv("CheetahRun", videos=plain_clips, action_repeat=500, render_mode="rgb_array")
    made.reset(seed=0)
    yield made
    made.close()


def test_every_error_is_one_of_the_packages_and_of_pythons() -> None:
    assert issubclass(InvalidArgument, NaturalMujocoError)
    assert issubclass(InvalidArgument, ValueError)
    for error in (VideoSetError, RenderingError, WorkerError):
        assert issubclass(error, NaturalMujocoError)
        assert issubclass(error, RuntimeError)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"split": "validation"}, "Unknown split 'validation'. Valid: train, test."),
        ({"split": 3}, "Unknown split 3. Valid: train, test."),
        ({"playback": "reverse"}, "Unknown playback 'reverse'. Valid: loop, pingpong, still."),
        ({"matte": "green"}, "Unknown matte 'green'. Valid: semantic, paper."),
        ({"rendering": "best"}, "Unknown rendering 'best'. Valid: fast, reference."),
        ({"render_mode": "human"}, "Unknown render_mode 'human'. Valid: None, 'rgb_array'."),
        ({"videos": "kinetics"}, "Unknown video set 'kinetics'. Valid: "),
        ({"videos": 5}, "videos=5 is neither a set's name nor a path."),
        ({"videos": ""}, "videos='' is neither a set's name nor a path."),
    ],
)
def test_unknown_values_are_refused_with_the_valid_ones(
    plain_clips: Path, kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        NaturalMujocoEnv("CheetahRun", **{"videos": plain_clips, **kwargs})
    assert message in str(refused.value)


def test_an_unknown_video_set_is_refused_with_the_names_of_the_shipped_ones() -> None:
    with pytest.raises(InvalidArgument) as refused:
        gym.make(NATURAL, videos="kinetics")
    for name in ("embedded", "ilsvrc-vid", "ilsvrc-vid-mini", "davis-2017", "auto", "a folder of videos"):
        assert name in str(refused.value)


def test_an_unknown_task_is_refused_with_the_ten() -> None:
    with pytest.raises(InvalidArgument) as refused:
        NaturalMujocoEnv("HumanoidRun")
    assert "Unknown task 'HumanoidRun'" in str(refused.value)
    assert all(task.name in str(refused.value) for task in TASKS.values())


@pytest.mark.parametrize(
    "kwargs", [{"split": "train"}, {"videos": "embedded"}, {"playback": "loop"}, {"matte": "semantic"}]
)
def test_video_arguments_mean_nothing_on_a_standard_id(kwargs: dict[str, str]) -> None:
    (name,) = kwargs
    with pytest.raises(InvalidArgument) as refused:
        gym.make(STANDARD, **kwargs)
    assert str(refused.value).startswith(f"{name}={kwargs[name]!r} means nothing on a standard environment")
    assert repr(NATURAL) in str(refused.value)


@pytest.mark.parametrize("env_id", [NATURAL, STANDARD])
@pytest.mark.parametrize("size", [0, -64, 1025, 10**9, True, False, 64.0, 64.5, "64", None, (64, 64), np.nan])
def test_absurd_sizes(env_id: str, size: Any, plain_clips: Path) -> None:
    videos = {"videos": plain_clips} if env_id == NATURAL else {}
    with pytest.raises(InvalidArgument) as refused:
        gym.make(env_id, size=size, **videos)
    assert str(refused.value) == f"size is {size!r}; it must be a whole number from 1 to 1024."


@pytest.mark.parametrize("value", [0, -1, 1001, 2.0, True, "2", None])
def test_absurd_action_repeats(value: Any) -> None:
    with pytest.raises(
        InvalidArgument, match=r"action_repeat is .*; it must be a whole number from 1 to 1000"
    ):
        gym.make(STANDARD, action_repeat=value)


@pytest.mark.parametrize("value", [0, 2049, 480.0, True])
def test_absurd_render_sizes(value: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"render_size is .*; it must be a whole number from 1 to 2048"):
        gym.make(STANDARD, render_size=value)


def test_numpys_whole_numbers_are_whole_numbers(plain_clips: Path) -> None:
    env = NaturalMujocoEnv(
        "CheetahRun",
        videos=plain_clips,
        size=np.int64(32),
        action_repeat=np.int32(4),
        render_size=np.uint8(9),
    )
    observation, _ = env.reset(seed=0, options={"frame": np.int64(1)})
    assert observation.shape == (32, 32, 3)
    env.close()


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (np.zeros(5), "action has shape (5,); cheetah-run takes shape (6,)."),
        (np.zeros((1, 6)), "action has shape (1, 6); cheetah-run takes shape (6,)."),
        (0.5, "action has shape (); cheetah-run takes shape (6,)."),
        ([], "action has shape (0,); cheetah-run takes shape (6,)."),
        (np.array([0, 0, 0, np.nan, 0, 0]), "action holds NaN"),
        (None, "action is None; cheetah-run takes numbers of shape (6,)."),
        ("left", "action is 'left'; cheetah-run takes numbers"),
        ([0, 0, 0, 0, 0, "x"], "cheetah-run takes numbers"),
        ([[0, 0], [0]], "action is [[0, 0], [0]]; cheetah-run takes numbers"),
        (np.full(6, 1j), "cheetah-run takes numbers"),
    ],
)
def test_actions_that_are_none(env: NaturalMujocoEnv, action: Any, message: str) -> None:
    before = env.dm_control_env.physics.get_state().copy()
    with pytest.raises(InvalidArgument) as refused:
        env.step(action)
    assert message in str(refused.value)
    np.testing.assert_array_equal(env.dm_control_env.physics.get_state(), before)
    env.step(np.zeros(6, np.float32))


def test_stepping_before_reset_and_after_the_end(plain_clips: Path) -> None:
    env = NaturalMujocoEnv("CheetahRun", videos=plain_clips, action_repeat=500)
    action = np.zeros(6, np.float32)
    with pytest.raises(NaturalMujocoError, match=r"Call reset\(\) before step\(\)"):
        env.step(action)
    env.reset()
    env.step(action)
    assert env.step(action)[3]
    with pytest.raises(NaturalMujocoError, match=r"Call reset\(\) before step\(\)"):
        env.step(action)
    env.reset()
    env.step(action)
    env.close()


def test_looking_before_reset(plain_clips: Path) -> None:
    for kwargs in ({"natural": True, "videos": plain_clips}, {"natural": False}):
        env = NaturalMujocoEnv("CheetahRun", render_mode="rgb_array", **kwargs)
        with pytest.raises(NaturalMujocoError, match=r"Call reset\(\) before render\(\)"):
            env.render()
        with pytest.raises(NaturalMujocoError, match=r"reset\(\)"):
            _ = env.matte
        env.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speed": 2}, "Unknown reset option 'speed'. Valid: video, frame."),
        (
            {"video": "nowhere"},
            "No video 'nowhere' in the train split of 'plain'. It has 5: black, blue, green, …",
        ),
        ({"video": "grey"}, "No video 'grey' in the train split"),  # it is a test video
        ({"video": 3}, "No video 3 in the train split"),
        ({"video": "red", "frame": 3}, "Video 'red' has no frame 3: it has frames 0 to 2."),
        ({"frame": -1}, "has no frame -1"),
        ({"frame": 1.0}, "reset option frame is 1.0; it must be a frame number."),
        ({"frame": True}, "reset option frame is True; it must be a frame number."),
        ({"frame": "2"}, "reset option frame is '2'; it must be a frame number."),
    ],
)
def test_reset_options_that_cannot_be_meant(
    env: NaturalMujocoEnv, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        env.reset(options=options)
    assert message in str(refused.value)
    env.step(np.zeros(6, np.float32))  # the running episode goes on


def test_a_standard_environment_has_no_reset_options() -> None:
    env = NaturalMujocoEnv("CheetahRun", natural=False)
    with pytest.raises(InvalidArgument, match=r"Unknown reset option 'video'. Valid: none on a standard"):
        env.reset(options={"video": "red"})
    env.reset(options={})
    env.close()


def test_closing_twice_and_using_afterwards(plain_clips: Path) -> None:
    for kwargs in ({"natural": True, "videos": plain_clips}, {"natural": False}):
        env = NaturalMujocoEnv("CheetahRun", render_mode="rgb_array", **kwargs)
        env.reset()
        env.close()
        env.close()
        closed = pytest.raises(NaturalMujocoError, match=r"This environment is closed. Create a new one\.")
        with closed:
            env.reset()
        with closed:
            env.step(np.zeros(6))
        with closed:
            env.render()
        with closed:
            _ = env.matte
    made = gym.make(STANDARD)
    made.close()
    made.close()


def test_an_environment_may_be_closed_before_it_was_ever_used(plain_clips: Path) -> None:
    NaturalMujocoEnv("CheetahRun", videos=plain_clips).close()
    NaturalMujocoEnv("CheetahRun", natural=False).close()


def test_an_empty_folder_of_videos(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no video")
    with pytest.raises(VideoSetError) as refused:
        gym.make(NATURAL, videos=tmp_path)
    assert str(refused.value).startswith(f"{tmp_path} holds no videos")
    assert "put mp4, avi, mov, mkv or webm files" in str(refused.value)


def test_one_file_where_a_folder_belongs(footage: Path) -> None:
    with pytest.raises(InvalidArgument, match="is one file: give the folder of videos, or a manifest"):
        gym.make(NATURAL, videos=footage / "car.mp4")


def test_a_file_that_is_no_video_is_named_when_its_turn_comes(tmp_path: Path) -> None:
    (tmp_path / "car.mp4").write_bytes(b"this is no video" * 100)
    with pytest.raises(VideoSetError, match=r"car\.mp4"), gym.make(NATURAL, videos=tmp_path) as env:
        env.reset(seed=0)


def test_a_clip_of_a_single_frame_is_refused(tmp_path: Path) -> None:
    (tmp_path / "street").mkdir()
    cv2.imwrite(str(tmp_path / "street" / "0.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "plain.json").write_text(
        '{"name": "short", "source": {"kind": "folder", "path": "."}, '
        '"videos": [{"id": "street", "split": "train"}]}'
    )
    with (
        pytest.raises(VideoSetError, match=r"1 frame.*at least two"),
        gym.make(NATURAL, videos=tmp_path / "plain.json") as env,
    ):
        env.reset(seed=0)


def test_a_split_without_clips_is_refused(tmp_path: Path, plain_clips: Path) -> None:
    (tmp_path / "red").symlink_to(plain_clips.parent / "red")
    (tmp_path / "plain.json").write_text(
        '{"name": "half", "source": {"kind": "folder", "path": "."}, "videos": [{"id": "red", "split": "train"}]}'
    )
    with pytest.raises(VideoSetError, match="has no test clips"):
        gym.make(NATURAL, videos=tmp_path / "plain.json", split="test")


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, footage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NATURAL_MUJOCO_HOME", str(tmp_path / "file"))
    with pytest.raises(VideoSetError) as refused, gym.make(NATURAL, videos=footage) as env:
        env.reset(seed=0)
    assert str(tmp_path / "file") in str(refused.value)
    assert "set NATURAL_MUJOCO_HOME" in str(refused.value)


@pytest.mark.parametrize("videos", ["auto", "embedded"])
@pytest.mark.parametrize("home", ["~nobody-has-this-name/clips", None], ids=["of nobody", "unset"])
def test_a_user_without_a_home_folder_is_told_the_variable(
    home: str | None, videos: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NATURAL_MUJOCO_HOME", "HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    if home is not None:
        monkeypatch.setenv("NATURAL_MUJOCO_HOME", home)
    # Without HOME and an entry in the password file Python leaves "~" as it is.
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(VideoSetError, match=r"home folder.* Set NATURAL_MUJOCO_HOME to a folder with room"):
        gym.make(NATURAL, videos=videos)
