"""The seeding contract: what a seed fixes, what it leaves alone, and golden values from another source.

`tests/golden/*.json` come from `tools/make_golden.py`, which uses dm_control, MuJoCo and NumPy only.
"""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest

from natural_mujoco import TASKS, Task
from natural_mujoco.backgrounds.playback import Playback

from .clips import FRAMES, TRAIN
from .kept_environments import KeptEnvironments

pytestmark = pytest.mark.filterwarnings("error")

GOLDEN = Path(__file__).parent / "golden"
REWARDS = json.loads((GOLDEN / "rewards.json").read_text())
BACKGROUNDS = json.loads((GOLDEN / "backgrounds.json").read_text())
MATTES = json.loads((GOLDEN / "mattes.json").read_text())

# What another processor's floating point may do to a hundred steps of contact dynamics.
TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}


@pytest.fixture(scope="module", params=TASKS.values(), ids=TASKS.keys())
def task(request: pytest.FixtureRequest) -> Task:
    return request.param  # type: ignore[no-any-return]


def golden_actions(seed: int, size: int) -> npt.NDArray[np.float32]:
    """As `tools/make_golden.py` draws them."""
    return np.random.default_rng(1000 + seed).uniform(-1, 1, (120, size)).astype(np.float32)


@pytest.mark.parametrize("seed", ["0", "7"])
def test_golden_rewards_and_states(task: Task, keep: KeptEnvironments, footage: Path, seed: str) -> None:
    env = keep(task.natural_id, videos=footage)
    actions = iter(golden_actions(int(seed), env.action_space.shape[0]))
    for number, episode in enumerate(REWARDS[task.id_name][seed]):
        env.reset(seed=int(seed) if number == 0 else None)
        qpos = env.dm_control_env.physics.data.qpos
        np.testing.assert_allclose(qpos, episode["first_qpos"], **TOLERANCE)
        rewards = [env.step(next(actions))[1] for _ in episode["rewards"]]
        np.testing.assert_allclose(rewards, episode["rewards"], **TOLERANCE)
        np.testing.assert_allclose(qpos, episode["last_qpos"], **TOLERANCE)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("seed", BACKGROUNDS["train"])
def test_golden_background_draws(split: str, seed: str) -> None:
    clips = 32 if split == "train" else 16
    ids = tuple(f"embedded-{split}-{number:02d}" for number in range(clips))
    # A clip's frames do not matter here, only how many there are.
    library: Any = SimpleNamespace(
        name="embedded", ids=lambda _: ids, frames=lambda *_: np.broadcast_to(np.uint8(0), (500, 1, 1, 3))
    )
    playback = Playback(library, split, "loop", size=1)
    _, background_stream = np.random.SeedSequence(int(seed)).spawn(2)
    rng = np.random.default_rng(background_stream)
    for expected in BACKGROUNDS[split][seed]:
        playback.start(rng)
        assert [playback.video, playback.number] == expected


@pytest.mark.parametrize("split", ["train", "test"])
def test_golden_backgrounds_of_the_embedded_set(split: str) -> None:
    with gym.make("NaturalMujoco/PendulumSwingup-v0", videos="embedded", split=split) as env:
        for number, (video, frame) in enumerate(BACKGROUNDS[split]["7"][:2]):
            _, info = env.reset(seed=7 if number == 0 else None)
            assert info["background"] == {"set": "embedded", "video": video, "frame": frame}


def test_golden_mattes(task: Task, keep: KeptEnvironments, footage: Path) -> None:
    env = keep(task.natural_id, videos=footage)
    actions = golden_actions(0, env.action_space.shape[0])
    env.reset(seed=0)
    errors = []
    for step in range(61):
        if str(step) in MATTES[task.id_name]:
            counts = zlib.decompress(base64.b64decode(MATTES[task.id_name][str(step)]))
            expected = np.frombuffer(counts, np.uint8).reshape(64, 64) / 64
            errors.append(np.abs(env.matte / 255 - expected).sum() / expected.sum())
        env.step(actions[step])
    assert len(errors) == 3
    assert max(errors) < 0.2


def rollout(env: Any, seed: int | None, steps: int = 6) -> dict[str, list[Any]]:
    """Everything an agent gets in `steps` agent steps."""
    observation, info = env.reset(seed=seed)
    record: dict[str, list[Any]] = {"observations": [observation], "infos": [info], "rewards": []}
    record["mattes"] = [env.matte]
    for action in np.random.default_rng(3).uniform(-1, 1, (steps, *env.action_space.shape)):
        observation, reward, _, _, info = env.step(action.astype(np.float32))
        record["observations"].append(observation)
        record["mattes"].append(env.matte)
        record["rewards"].append(reward)
        record["infos"].append(info)
    record["physics"] = [env.dm_control_env.physics.get_state().copy()]
    return record


def assert_same(one: dict[str, list[Any]], other: dict[str, list[Any]], *keys: str) -> None:
    for key in keys or one.keys():
        if key == "infos":
            assert one[key] == other[key]
        else:
            np.testing.assert_array_equal(one[key], other[key])


def test_a_seed_fixes_everything_an_agent_sees(task: Task, keep: KeptEnvironments, footage: Path) -> None:
    for natural in (True, False):
        env_id, kwargs = (task.natural_id, {"videos": footage}) if natural else (task.standard_id, {})
        first, second = (keep(env_id, copy=copy, **kwargs) for copy in range(2))
        second.reset(seed=99)  # what happened before must not matter
        one, other = rollout(first, seed=21), rollout(second, seed=21)
        assert_same(one, other)
        # Without a seed both go on alike, to another episode.
        one_more, other_more = rollout(first, seed=None), rollout(second, seed=None)
        assert_same(one_more, other_more)
        assert not np.array_equal(one["physics"], one_more["physics"])


def test_other_seeds_give_other_episodes(task: Task, keep: KeptEnvironments, footage: Path) -> None:
    env = keep(task.natural_id, videos=footage)
    starts = [rollout(env, seed=seed, steps=2) for seed in range(6)]
    assert len({start["physics"][0].tobytes() for start in starts}) == 6
    shown = {(s["infos"][0]["background"]["video"], s["infos"][0]["background"]["frame"]) for s in starts}
    assert len(shown) == 6
    assert {video for video, _ in shown} == set(TRAIN)


def test_the_background_never_moves_the_physics(task: Task, keep: KeptEnvironments, footage: Path) -> None:
    natural, standard = keep(task.natural_id, videos=footage), keep(task.standard_id)
    for seed in (5, None, None):
        assert_same(rollout(natural, seed), rollout(standard, seed), "rewards", "physics", "mattes")


def test_a_draw_in_one_stream_never_moves_the_other(
    task: Task, keep: KeptEnvironments, footage: Path
) -> None:
    plain, disturbed, pinned = (keep(task.natural_id, copy=copy, videos=footage) for copy in range(3))
    for env in (plain, disturbed, pinned):
        env.reset(seed=8)
    disturbed.dm_control_env.task.random.uniform(
        size=5
    )  # as a task with one more random start variable would
    pinned.reset(options={"video": "car.mp4", "frame": 3})
    plain.reset()
    infos = [env.reset()[1] for env in (plain, pinned)]
    assert infos[0] == infos[1]
    physics = [env.dm_control_env.physics.get_state().copy() for env in (plain, pinned)]
    np.testing.assert_array_equal(*physics)

    disturbed.reset()
    _, info = disturbed.reset()
    assert info == infos[0]
    assert not np.array_equal(disturbed.dm_control_env.physics.get_state(), physics[0])


def test_the_callers_own_draws_disturb_nothing(make: KeptEnvironments, footage: Path) -> None:
    one, other = (make(TASKS["WalkerWalk"].natural_id, copy=copy, videos=footage) for copy in range(2))
    for env in (one, other):
        env.reset(seed=8)
    other.np_random.random(3)
    other.action_space.sample()
    np.random.default_rng().random()
    assert_same(rollout(one, None), rollout(other, None))


def test_an_unseeded_environment_starts_anywhere(make: KeptEnvironments, footage: Path) -> None:
    states = []
    for copy in range(2):
        env = make(TASKS["WalkerWalk"].natural_id, copy=copy, videos=footage)
        env.reset()
        states.append(env.dm_control_env.physics.get_state().copy())
    assert not np.array_equal(*states)


def test_a_pinned_background_is_shown_and_leaves_later_ones_alone(
    task: Task, keep: KeptEnvironments, footage: Path
) -> None:
    free, pinned = (keep(task.natural_id, copy=copy, videos=footage) for copy in range(2))
    _, drawn = free.reset(seed=31)
    options: tuple[dict[str, Any], ...] = (
        {"video": "street.mp4", "frame": 249},
        {"video": "car.mp4"},
        {"frame": 7},
    )
    for number, option in enumerate(options):
        if number:
            _, drawn = free.reset()
        _, info = pinned.reset(seed=31 if number == 0 else None, options=option)
        assert info["background"]["video"] == option.get("video", drawn["background"]["video"])
        if "frame" in option:
            assert info["background"]["frame"] == option["frame"]
        else:
            assert 0 <= info["background"]["frame"] < FRAMES[info["background"]["video"]]
        np.testing.assert_array_equal(
            free.dm_control_env.physics.get_state(), pinned.dm_control_env.physics.get_state()
        )
    assert free.reset()[1] == pinned.reset()[1]


def test_a_refused_reset_changes_nothing(make: KeptEnvironments, footage: Path) -> None:
    tried, plain = (make(TASKS["CheetahRun"].natural_id, copy=copy, videos=footage) for copy in range(2))
    for env in (tried, plain):
        env.reset(seed=1)
    for options in ({"video": "nowhere.mp4"}, {"frame": 100_000}, {"frame": -1}, {"speed": 2}):
        with pytest.raises(ValueError):
            tried.reset(seed=77, options=options)
    action = np.zeros(6, np.float32)
    for got, expected in zip(tried.step(action), plain.step(action), strict=True):
        np.testing.assert_equal(got, expected)
    assert_same(rollout(tried, None), rollout(plain, None))


@pytest.mark.parametrize("playback", ["loop", "pingpong", "still"])
def test_one_video_frame_an_agent_step(
    task: Task, keep: KeptEnvironments, footage: Path, playback: str
) -> None:
    env = keep(task.natural_id, videos=footage, playback=playback)
    last = FRAMES["car.mp4"] - 1
    _, info = env.reset(seed=0, options={"video": "car.mp4", "frame": last - 2})
    shown = [info["background"]["frame"]]
    for _ in range(5):
        shown.append(env.step(np.zeros(env.action_space.shape, np.float32))[4]["background"]["frame"])
    a, b, z = last - 2, last - 1, last
    assert (
        shown
        == {
            "loop": [a, b, z, 0, 1, 2],
            "pingpong": [a, b, z, b, a, a - 1],
            "still": [a] * 6,
        }[playback]
    )
