"""A step or reset of the vector environment is whole or not at all, whoever refuses, vanishes or interrupts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import gymnasium as gym
import numpy as np
import pytest

from natural_mujoco import InvalidArgument, VideoSetError
from natural_mujoco.backgrounds import VideoLibrary
from natural_mujoco.backgrounds.obtain.folder import split_of
from natural_mujoco.errors import InvalidAction, ResetNeeded
from natural_mujoco.processes import child, exchange, mailbox, serving
from natural_mujoco.vector import environment as vector
from natural_mujoco.vector import team
from natural_mujoco.vector.environment import NaturalMujocoVectorEnv
from tests.test_processes import interrupted_at

CHEETAH = "NaturalMujoco/CheetahRun-v0"
PENDULUM = "NaturalMujoco/PendulumSwingup-v0"


pytestmark = pytest.mark.usefixtures("no_child_is_left")


@pytest.fixture(scope="module")
def envs(plain_clips: Path) -> Iterator[NaturalMujocoVectorEnv]:
    """Three small sub-environments in two workers, which no test here can spoil."""
    made = gym.make_vec(CHEETAH, num_envs=3, workers=2, videos=plain_clips, size=8)
    assert isinstance(made, NaturalMujocoVectorEnv)
    yield made
    assert made._workers, "something closed it"
    made.close()


@pytest.fixture(scope="module")
def single(plain_clips: Path) -> Iterator[Any]:
    made = gym.make(CHEETAH, videos=plain_clips, size=8, disable_env_checker=True)
    yield made
    made.close()


def _row(value: Any, row: int = 2) -> Any:
    actions = np.zeros((3, 6)).astype(np.asarray(value).dtype)
    actions[row, 3] = value
    return actions


@pytest.mark.parametrize(
    "actions",
    [
        _row(np.nan),
        _row(np.float32("nan")),
        _row(1j),
        np.zeros((3, 6), "U1"),
        np.zeros((3, 6), "datetime64[s]"),
        np.zeros((3, 6), object),
        np.zeros((3, 5)),
        np.zeros(18),
        np.zeros((3, 6, 1)),
        [[0] * 6, [0] * 6, [0] * 5],
        "left",
        None,
        {"action": 1},
    ],
    ids=lambda actions: (
        f"{type(actions).__name__} {getattr(actions, 'dtype', '')} {np.shape(getattr(actions, 'T', 0))}"
    ),
)
def test_what_one_environment_refuses_many_refuse_before_any_moves(
    envs: NaturalMujocoVectorEnv, single: Any, actions: Any
) -> None:
    envs.reset(seed=0)
    single.reset(seed=0)
    with pytest.raises(InvalidAction):
        envs.step(actions)
    with pytest.raises(InvalidAction):
        single.step(actions[2] if isinstance(actions, np.ndarray | list) and len(actions) == 3 else actions)
    *_, infos = envs.step(np.zeros((3, 6)))
    assert infos["control_steps"].tolist() == [2, 2, 2]


def test_numbers_of_every_kind_give_the_single_environments_rewards(
    envs: NaturalMujocoVectorEnv, single: Any
) -> None:
    envs.reset(seed=3)
    single.reset(seed=3)
    rng = np.random.default_rng(0)
    for kind in (np.float64, np.float32, np.float16, np.int8, np.bool_, np.longdouble) * 3:
        actions = rng.uniform(-2, 2, (3, 6)).astype(kind)
        assert envs.step(actions)[1][0] == single.step(actions[0])[1]


@pytest.mark.parametrize(
    "seed",
    [
        7,
        np.int64(7),
        np.uint8(7),
        np.array(7),
        2**70,
        [7, 8, 9],
        (7, 8, 9),
        np.array([7, 8, 9]),
        np.array([7, 8, 9], np.uint8),
        [np.int64(7), np.int32(8), 9],
        [7, None, 9],
        np.array([7, None, 9], object),
    ],
    ids=repr,
)
def test_seeds(envs: NaturalMujocoVectorEnv, single: Any, seed: Any) -> None:
    observations, _ = envs.reset(seed=seed)
    first = seed if np.ndim(seed) == 0 else seed[0]
    expected, _ = single.reset(seed=first)
    np.testing.assert_array_equal(observations[0], expected)
    told = envs.np_random_seed
    assert told[0] == int(first) == single.unwrapped.np_random_seed
    if np.ndim(seed) == 0:
        assert told == tuple(int(seed) + row for row in range(3))
    assert envs.np_random[0].random() == single.unwrapped.np_random.random()


@pytest.mark.parametrize(
    "seed",
    [-1, 1.0, 1.5, True, "7", b"abc", float("nan"), {1: 2}, {1, 2, 3}, [1, 2], [1, 2, -3], [1, 2, 3.0],
     [1, 2, True], ["1", 2, 3], [[1], [2], [3]], np.array([1.0, 2, 3]), np.array([True] * 3), np.zeros((3, 1), int),
     np.int64(-1), np.float32(1)],
    ids=repr,
)  # fmt: skip
def test_what_is_no_seed_is_refused_and_nothing_begins(
    envs: NaturalMujocoVectorEnv, single: Any, seed: Any
) -> None:
    envs.reset(seed=0)
    envs.step(np.zeros((3, 6)))
    with pytest.raises(InvalidArgument, match="seed"):
        envs.reset(seed=seed)
    if not isinstance(seed, list | np.ndarray):
        with pytest.raises(InvalidArgument, match="seed"):
            single.reset(seed=seed)
    assert envs.call("control_steps") == (2, 2, 2)
    assert envs.np_random_seed == (0, 1, 2)


def test_attributes_fail_alone(envs: NaturalMujocoVectorEnv) -> None:
    envs.reset(seed=0)
    with pytest.raises(AttributeError, match="nothing"):
        envs.get_attr("nothing")
    with pytest.raises(AttributeError, match="running"):  # read-only
        envs.set_attr("running", True)
    with pytest.raises(InvalidArgument, match="pickle"):
        envs.get_attr("unwrapped")
    with pytest.raises(InvalidArgument, match="pickle"):
        envs.set_attr("note", [1, 2, lambda: 0])
    with pytest.raises(AttributeError, match="note"):
        envs.get_attr("note")
    with pytest.raises(TypeError, match="unexpected keyword"):
        envs.call("reset", speed=1)
    with pytest.raises(InvalidArgument, match="options is 3"):
        envs.reset(options=3)  # type: ignore[arg-type]
    assert envs.call("control_steps") == (0, 0, 0)


@pytest.mark.parametrize(
    "kwargs",
    [
        *({name: wrong} for name in ("timeout", "start_timeout") for wrong in (0, -1, float("nan"), "10", True, [1])),
        {"sizee": 64},
        {"max_episode_steps": 5},
        {"size": "64"},
    ],
    ids=repr,
)  # fmt: skip
def test_wrong_keywords_are_refused_before_any_process_starts(
    plain_clips: Path, kwargs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(team, "ChildProcess", None)
    with pytest.raises(InvalidArgument, match=next(iter(kwargs))):
        gym.make_vec(PENDULUM, num_envs=1, videos=plain_clips, **kwargs)


def test_a_row_past_its_end_stops_all_and_can_be_reset(plain_clips: Path) -> None:
    envs: Any = gym.make_vec(
        PENDULUM, num_envs=3, workers=2, videos=plain_clips, size=8, action_repeat=500, autoreset_mode="Disabled"
    )  # fmt: skip
    with pytest.raises(ResetNeeded, match=r"\[0, 1, 2\] have not begun"):
        envs.step(np.zeros((3, 1)))
    envs.reset(seed=0)
    envs.step(np.zeros((3, 1)))
    envs.reset(options={"reset_mask": np.array([True, False, True])})
    assert envs.step(np.zeros((3, 1)))[3].tolist() == [False, True, False]
    with pytest.raises(ResetNeeded, match=r"sub-environments \[1\] are over"):
        envs.step(np.zeros((3, 1)))
    assert envs.call("control_steps") == (500, 1000, 500)
    envs.reset(options={"reset_mask": np.array([False, True, False])})
    assert envs.step(np.zeros((3, 1)))[4]["control_steps"].tolist() == [1000, 500, 1000]
    envs.close()


@pytest.fixture
def two_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the training clips `short…` of 3 frames and `tall…` of 9, and a cache of its own."""
    monkeypatch.setenv("NATURAL_MUJOCO_HOME", str(tmp_path / "home"))
    for name, count in (("short", 3), ("tall", 9)):
        clip = next(f"{name}{k}" for k in range(99) if split_of(f"{name}{k}") == "train")
        (tmp_path / "clips" / clip).mkdir(parents=True)
        for number in range(count):
            picture = np.full((8, 8, 3), 20 * number + len(name), np.uint8)
            cv2.imwrite(str(tmp_path / "clips" / clip / f"{number}.png"), picture)
    return tmp_path / "clips"


def test_a_reset_that_one_row_refuses_begins_no_episode(two_clips: Path) -> None:
    envs = gym.make_vec(PENDULUM, num_envs=4, workers=2, videos=two_clips, size=8)
    _, infos = envs.reset(seed=0)
    shown = infos["background"]["video"]
    assert len(set(shown)) == 2, "the seeds must show both clips"
    envs.step(np.zeros((4, 1)))
    with pytest.raises(InvalidArgument, match="has no frame 5"):
        envs.reset(seed=0, options={"frame": 5})
    *_, infos = envs.step(np.zeros((4, 1)))
    assert infos["control_steps"].tolist() == [4] * 4
    tall = np.array([video.startswith("tall") for video in shown])
    _, infos = envs.reset(seed=0, options={"frame": 5, "reset_mask": tall})
    assert infos["background"]["frame"][tall].tolist() == [5] * tall.sum()
    envs.close()


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_an_episode_whose_clip_has_vanished_stops_all_and_can_be_mended(two_clips: Path, mode: str) -> None:
    envs: Any = gym.make_vec(
        PENDULUM, num_envs=2, workers=2, videos=two_clips, size=8, action_repeat=500, autoreset_mode=mode
    )  # fmt: skip
    clips = sorted(path.name for path in two_clips.iterdir())
    # Seeds whose second episodes show different clips, and rows that end at different steps.
    seeds = next(
        [a, b] for a in range(20) for b in range(20) if _second_draws(a, clips) == clips[0] != _second_draws(b, clips)
    )  # fmt: skip
    envs.reset(seed=seeds, options={"video": clips[0]})
    gone = two_clips / clips[1]
    shutil.move(gone, two_clips.parent / "elsewhere")
    zeros = np.zeros((2, 1))
    envs.step(zeros)
    if mode == "NextStep":
        assert envs.step(zeros)[3].all()
    before = envs.call("control_steps")
    for _ in range(2):
        with pytest.raises(VideoSetError, match=r"No sub-environment has moved.*reset_mask"):
            envs.step(zeros)
        assert envs.call("control_steps") == before
    # Either another episode for that row …
    mask = np.array([False, True])
    if mode == "NextStep":
        envs.reset(seed=[None, 1], options={"reset_mask": mask, "video": clips[0]})
        *_, infos = envs.step(zeros)
        assert infos["control_steps"].tolist() == [0, 500]
    else:  # … or the clip is put back.
        shutil.move(two_clips.parent / "elsewhere", gone)
        *_, infos = envs.step(zeros)
        assert infos["control_steps"].tolist() == [0, 0]
        assert infos["background"]["video"].tolist() == clips
    envs.close()


def _second_draws(seed: int, clips: list[str]) -> str:
    """The clip of the episode after the one that `seed` begins."""
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[1])
    rng.random(2)
    return clips[int(rng.random(2)[0] * len(clips))]


def test_an_interrupted_step_is_made_by_all_rows_or_by_none(plain_clips: Path) -> None:
    """Interrupted before some forty of its bytecodes, wherever in our code, and compared with a single environment."""
    modules = (vector, team, exchange, child, mailbox)
    envs: Any = gym.make_vec(CHEETAH, num_envs=2, workers=2, videos=plain_clips, size=8)
    single = gym.make(CHEETAH, videos=plain_clips, size=8)
    rng = np.random.default_rng(0)
    outcomes = []
    step = 1
    envs.reset(seed=5)
    single.reset(seed=5)
    while True:
        actions = rng.uniform(-1, 1, (2, 6))
        interrupted = interrupted_at(step, lambda: envs.step(actions), modules)  # noqa: B023
        age = single.get_wrapper_attr("control_steps")
        ages = envs.call("control_steps")
        assert ages in ((age, age), (age + 2, age + 2))
        outcomes.append(ages[0] > age)
        if ages[0] > age:
            single.step(actions[0])
        actions = rng.uniform(-1, 1, (2, 6))
        observations, rewards, *_ = envs.step(actions)
        observation, reward, *_ = single.step(actions[0])
        assert rewards[0] == reward
        np.testing.assert_array_equal(observations[0], observation)
        if not interrupted:
            break
        step += 17
    assert len(outcomes) > 20
    assert 0 < sum(outcomes) < len(outcomes)
    envs.close()
    single.close()


def test_preparing_a_clip_is_off_the_clock(two_clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = mailbox.Mailbox()
    monkeypatch.setattr(serving, "_mailbox", box)
    library = VideoLibrary.frames
    seen = []

    def frames(self: Any, *args: Any) -> Any:
        seen.append(box.off_the_clock)
        return library(self, *args)

    monkeypatch.setattr(VideoLibrary, "frames", frames)
    env = gym.make(PENDULUM, videos=two_clips, size=8, disable_env_checker=True)
    env.reset(seed=0)
    env.close()
    assert seen == [True]
    assert not box.off_the_clock
    box.close()
