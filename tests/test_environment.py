"""What an environment shows and returns, for all ten tasks, against dm_control itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from natural_mujoco import TASKS, Task
from natural_mujoco.environment import NaturalMujocoEnv
from natural_mujoco.rendering.gl import import_dm_control

from .clips import FRAMES, TRAIN, decode
from .kept_environments import KeptEnvironments

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module", params=TASKS.values(), ids=TASKS.keys())
def task(request: pytest.FixtureRequest) -> Task:
    return request.param  # type: ignore[no-any-return]


def dm_control_env(task: Task, seed: int) -> Any:
    """dm_control's own environment, seeded as `reset(seed=seed)` is documented to."""
    physics_stream, _ = np.random.SeedSequence(seed).spawn(2)
    random = np.random.RandomState(int(physics_stream.generate_state(1)[0]))
    return import_dm_control().load(task.domain, task.task, task_kwargs={"random": random})


def test_a_standard_episode_is_dm_controls_own_to_the_last_bit(task: Task, keep: KeptEnvironments) -> None:
    every = 100
    ours, theirs = keep(task.standard_id, action_repeat=every), dm_control_env(task, seed=11)
    camera = 2 if task.domain == "quadruped" else 0
    observation, _ = ours.reset(seed=11)
    theirs.reset()
    np.testing.assert_array_equal(observation, theirs.physics.render(64, 64, camera))
    rng = np.random.default_rng(5)
    truncated, agent_steps = False, 0
    while not truncated:
        action = ours.action_space.dtype.type(rng.uniform(-1, 1, ours.action_space.shape))
        expected = 0.0
        for _ in range(every):
            time_step = theirs.step(action)
            expected += time_step.reward
        observation, reward, terminated, truncated, info = ours.step(action)
        agent_steps += 1
        assert reward == expected
        assert not terminated
        assert truncated == time_step.last()
        assert info["control_steps"] == every * agent_steps
        np.testing.assert_array_equal(observation, theirs.physics.render(64, 64, camera))
    assert info["control_steps"] == 1000


def test_a_natural_episode_has_dm_controls_reward_at_every_control_step(
    task: Task, keep: KeptEnvironments, footage: Path
) -> None:
    ours, theirs = keep(task.natural_id, action_repeat=1, videos=footage), dm_control_env(task, seed=12)
    ours.reset(seed=12)
    theirs.reset()
    rng = np.random.default_rng(6)
    for step in range(1, 1001):
        action = rng.uniform(-1, 1, ours.action_space.shape).astype(np.float32)
        _, reward, terminated, truncated, _ = ours.step(action)
        assert reward == theirs.step(action).reward
        assert not terminated
        assert truncated == (step == 1000)
    np.testing.assert_array_equal(ours.dm_control_env.physics.data.qpos, theirs.physics.data.qpos)


def test_the_environment_underneath_keeps_its_state_observations(task: Task, keep: KeptEnvironments) -> None:
    ours, theirs = keep(task.standard_id), dm_control_env(task, seed=13)
    ours.reset(seed=13)
    theirs.reset()
    action = np.full(ours.action_space.shape, 0.4, np.float32)
    ours.step(action)
    theirs.step(action)
    expected = theirs.step(action).observation
    underneath = ours.dm_control_env
    np.testing.assert_equal(underneath.task.get_observation(underneath.physics), expected)
    np.testing.assert_equal(underneath.step(action).observation, theirs.step(action).observation)
    assert set(underneath.observation_spec()) == set(expected)


@pytest.mark.parametrize(("action_repeat", "agent_steps"), [(1, 1000), (2, 500), (3, 334)])
def test_an_episode_is_1000_control_steps_whatever_the_repeat(
    make: KeptEnvironments, footage: Path, action_repeat: int, agent_steps: int
) -> None:
    task = TASKS["PendulumSwingup"]
    env = make(task.natural_id, action_repeat=action_repeat, videos=footage)
    theirs = dm_control_env(task, seed=3)
    _, info = env.reset(seed=3)
    theirs.reset()
    assert info["control_steps"] == 0
    rng = np.random.default_rng(1)
    for step in range(1, agent_steps + 1):
        action = rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)
        _, reward, terminated, truncated, info = env.step(action)
        repeats = min(action_repeat, 1000 - action_repeat * (step - 1))
        assert reward == sum(theirs.step(action).reward for _ in range(repeats))
        assert truncated == (step == agent_steps)
        assert not terminated
    assert info["control_steps"] == 1000
    assert repeats == (1 if action_repeat == 3 else action_repeat)


def test_spaces_and_frame_rate(task: Task, keep: KeptEnvironments, footage: Path) -> None:
    theirs = dm_control_env(task, seed=0)
    seconds = theirs.control_timestep()
    for env, repeat in (
        (keep(task.standard_id), 2),
        (keep(task.natural_id, action_repeat=5, videos=footage), 5),
    ):
        assert env.observation_space == gym.spaces.Box(0, 255, (64, 64, 3), np.uint8)
        assert env.action_space == gym.spaces.Box(-1, 1, theirs.action_spec().shape, np.float32)
        assert env.metadata["render_modes"] == ["rgb_array"]
        assert env.metadata["render_fps"] == pytest.approx(1 / (seconds * repeat))
    assert NaturalMujocoEnv.metadata["render_fps"] == 25, "the class must not learn an instance's frame rate"


def test_the_video_shows_exactly_wherever_the_foreground_is_not(
    task: Task, keep: KeptEnvironments, footage: Path
) -> None:
    env = keep(task.natural_id, videos=footage)
    observation, info = env.reset(seed=2)
    rng = np.random.default_rng(2)
    for _ in range(15):
        background = info["background"]
        assert background["set"] == "footage"
        assert background["video"] in TRAIN
        frame = decode(background["video"])[background["frame"]]
        uncovered, covered = env.matte == 0, env.matte == 255
        np.testing.assert_array_equal(observation[uncovered], frame[uncovered])
        assert uncovered.mean() > 0.5, "background and floor are most of every task's frame"
        assert covered.any(), "there is no robot in the frame"
        observation, _, _, _, info = env.step(rng.uniform(-1, 1, env.action_space.shape).astype(np.float32))


def test_the_last_observation_still_shows_the_episodes_video(
    task: Task, keep: KeptEnvironments, footage: Path
) -> None:
    env = keep(task.natural_id, videos=footage, action_repeat=100)
    _, first = env.reset(seed=4)
    truncated, steps = False, 0
    while not truncated:
        observation, _, _, truncated, info = env.step(np.zeros(env.action_space.shape, np.float32))
        steps += 1
    video, start = first["background"]["video"], first["background"]["frame"]
    number = (start + steps) % FRAMES[video]
    assert info["background"] == {"set": "footage", "video": video, "frame": number}
    uncovered = env.matte == 0
    np.testing.assert_array_equal(observation[uncovered], decode(video)[number][uncovered])


def test_observations_and_mattes_belong_to_the_caller(
    task: Task, keep: KeptEnvironments, footage: Path
) -> None:
    for env in (keep(task.natural_id, videos=footage), keep(task.standard_id)):
        observation, _ = env.reset(seed=0)
        kept, matte = observation.copy(), env.matte
        observation[:], matte[:] = 77, 77
        assert not (env.matte == 77).all()
        env.reset(seed=0)
        again, _ = env.reset(seed=0)
        np.testing.assert_array_equal(again, kept)


def test_standard_environments_have_the_matte_too(task: Task, keep: KeptEnvironments, footage: Path) -> None:
    natural, standard = keep(task.natural_id, videos=footage), keep(task.standard_id)
    natural.reset(seed=9)
    before, _ = standard.reset(seed=9)
    np.testing.assert_array_equal(standard.matte, natural.matte)
    # Asking for it must not change what the environment shows.
    after, _ = standard.reset(seed=9)
    np.testing.assert_array_equal(after, before)


def test_fast_standard_rendering_differs_only_by_shadows_and_reflections(
    task: Task, keep: KeptEnvironments
) -> None:
    fast, _ = keep(task.standard_id, rendering="fast").reset(seed=1)
    physics = dm_control_env(task, seed=1)
    physics.reset()
    plain = physics.physics.render(
        64, 64, task.camera_id, render_flag_overrides={"shadow": False, "reflection": False}
    )
    assert fast.shape == plain.shape
    assert np.abs(fast.astype(float) - plain).mean() < 2.5, "in grey levels, of 255"


@pytest.mark.parametrize("size", [1, 36, 100])
def test_sizes_other_than_64(make: KeptEnvironments, footage: Path, size: int) -> None:
    task = TASKS["ReacherEasy"]
    env = make(task.natural_id, videos=footage, size=size)
    observation, info = env.reset(seed=0)
    assert observation.shape == env.observation_space.shape == (size, size, 3)
    assert env.matte.shape == (size, size)
    uncovered = env.matte == 0
    frame = decode(info["background"]["video"], size)[info["background"]["frame"]]
    np.testing.assert_array_equal(observation[uncovered], frame[uncovered])

    standard, theirs = make(task.standard_id, size=size), dm_control_env(task, seed=0)
    observation, _ = standard.reset(seed=0)
    theirs.reset()
    np.testing.assert_array_equal(observation, theirs.physics.render(size, size, 0))


def test_a_standard_observation_larger_than_dm_controls_buffer(make: KeptEnvironments) -> None:
    env = make(TASKS["CartpoleBalance"].standard_id, size=600)
    observation, _ = env.reset(seed=0)
    small, _ = make(TASKS["CartpoleBalance"].standard_id, size=100).reset(seed=0)
    assert observation.shape == (600, 600, 3)
    shrunk = observation.reshape(100, 6, 100, 6, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - small).mean() < 4


def test_render_gives_people_a_larger_picture_of_the_same_scene(
    task: Task, keep: KeptEnvironments, footage: Path
) -> None:
    natural = keep(task.natural_id, videos=footage, render_mode="rgb_array", render_size=256)
    standard = keep(task.standard_id, render_mode="rgb_array", render_size=256)
    for env in (natural, standard):
        observation, _ = env.reset(seed=5)
        untouched = observation.copy()
        for _ in range(2):
            picture = env.render()
            assert picture.shape == (256, 256, 3)
            assert picture.dtype == np.uint8
            shrunk = picture.reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
            # Shadows on the robot, finer edges and the video's enlargement are all that may differ.
            assert np.abs(shrunk - observation).mean() < 8
        again, _ = env.reset(seed=5)
        np.testing.assert_array_equal(again, untouched)


def test_a_render_size_changes_no_observation(task: Task, keep: KeptEnvironments) -> None:
    observation, _ = keep(task.standard_id, render_mode="rgb_array", render_size=700).reset(seed=6)
    theirs = dm_control_env(task, seed=6)
    theirs.reset()
    np.testing.assert_array_equal(observation, theirs.physics.render(64, 64, task.camera_id))


def test_without_a_render_mode_there_is_no_picture(make: KeptEnvironments, footage: Path) -> None:
    env = make("NaturalMujoco/CheetahRun-v0", videos=footage)
    env.reset(seed=0)
    assert env.render() is None


def test_actions_out_of_range_are_clipped(task: Task, keep: KeptEnvironments, footage: Path) -> None:
    env = keep(task.natural_id, videos=footage)
    rng = np.random.default_rng(0)
    wild = rng.uniform(-3, 3, (5, *env.action_space.shape))
    outcomes = []
    for plan in (wild, np.clip(wild, -1, 1)):
        env.reset(seed=1)
        outcomes.append([env.step(action)[1] for action in plan])
        np.testing.assert_array_equal(env.dm_control_env.physics.control(), np.clip(wild[-1], -1, 1))
    assert outcomes[0] == outcomes[1]
    env.reset(seed=1)
    infinite = env.step(np.full(env.action_space.shape, np.inf))[1]
    env.reset(seed=1)
    assert infinite == env.step(np.ones(env.action_space.shape))[1]


@pytest.mark.parametrize("id_name", TASKS)
def test_making_an_environment_says_nothing(
    id_name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    env = NaturalMujocoEnv(id_name, natural=False)
    env.reset(seed=0)
    env.close()
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
