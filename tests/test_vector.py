"""The vector environment: equal to single environments, Gymnasium's autoreset semantics, and clear failures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import psutil
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from natural_mujoco import TASKS, InvalidArgument, NaturalMujocoError, Task, WorkerError
from natural_mujoco.vector.environment import NaturalMujocoVectorEnv

CHEETAH = "NaturalMujoco/CheetahRun-v0"
PENDULUM = "NaturalMujoco/PendulumSwingup-v0"


@pytest.fixture(scope="module")
def shared(footage: Path) -> Iterator[NaturalMujocoVectorEnv]:
    """Three sub-environments in two workers, four agent steps an episode; for tests that leave them usable."""
    envs = gym.make_vec(
        CHEETAH,
        num_envs=3,
        workers=2,
        videos=footage,
        action_repeat=250,
        render_mode="rgb_array",
        render_size=32,
    )
    assert isinstance(envs, NaturalMujocoVectorEnv)
    yield envs
    envs.close()


def workers_of_this_process() -> set[int]:
    """Ids of all processes under this one, zombies too."""
    return {child.pid for child in psutil.Process().children(recursive=True)}


@pytest.fixture
def make_vec(plain_clips: Path) -> Iterator[Any]:
    """Vector environments over plain clips, closed after the test."""
    made: list[NaturalMujocoVectorEnv] = []
    before = workers_of_this_process()

    def make(env_id: str = PENDULUM, **kwargs: Any) -> NaturalMujocoVectorEnv:
        made.append(gym.make_vec(env_id, **{"num_envs": 2, "workers": 2, "videos": plain_clips, **kwargs}))
        return made[-1]

    yield make
    for envs in made:
        envs.close()
    assert workers_of_this_process() == before, "a worker outlives its environment"


def assert_infos_equal(ours: dict[str, Any], theirs: dict[str, Any], rows: np.ndarray) -> None:
    """The same keys, masks and, in `rows`, values. (What a masked-out row holds means nothing.)"""
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        if isinstance(value, dict):
            assert_infos_equal(ours[key], value, ours.get(f"_{key}", rows))
        elif key == "final_obs":
            for one, other in zip(ours[key], value, strict=True):
                np.testing.assert_array_equal(one, other)
        else:
            assert ours[key].dtype == value.dtype, key
            chosen = ours[f"_{key}"] if f"_{key}" in ours else slice(None)
            np.testing.assert_array_equal(ours[key][chosen], value[chosen], err_msg=key)


def test_it_is_what_make_vec_gives(shared: NaturalMujocoVectorEnv) -> None:
    assert shared.num_envs == 3
    assert shared.single_observation_space == gym.spaces.Box(0, 255, (64, 64, 3), np.uint8)
    assert shared.single_action_space == gym.spaces.Box(-1, 1, (6,), np.float32)
    assert shared.observation_space.shape == (3, 64, 64, 3)
    assert shared.action_space.shape == (3, 6)
    assert shared.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert shared.metadata["render_fps"] == pytest.approx(100 / 250)
    assert shared.spec is not None
    assert shared.spec.id == CHEETAH


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
def test_it_equals_single_environments_across_an_episodes_end(task: Task, footage: Path) -> None:
    kwargs = {"videos": footage, "action_repeat": 400, "size": 48, "split": "test"}
    singles = [gym.make(task.natural_id, **kwargs) for _ in range(2)]
    envs = gym.make_vec(task.natural_id, num_envs=2, workers=1, **kwargs)
    observations, infos = envs.reset(seed=[5, 17])
    for row, (single, seed) in enumerate(zip(singles, (5, 17), strict=True)):
        observation, info = single.reset(seed=seed)
        np.testing.assert_array_equal(observations[row], observation)
        assert infos["background"]["video"][row] == info["background"]["video"]
        assert infos["background"]["frame"][row] == info["background"]["frame"]
    over = False
    rng = np.random.default_rng(1)
    for _ in range(5):  # three steps of an episode, the reset, one step of the next
        actions = rng.uniform(-1, 1, envs.action_space.shape).astype(np.float32)
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        for row, single in enumerate(singles):
            if over:
                observation, info = single.reset()
                outcome = 0.0, False, False
            else:
                observation, *outcome, info = single.step(actions[row])
            np.testing.assert_array_equal(observations[row], observation)
            assert (rewards[row], terminated[row], truncated[row]) == tuple(outcome)
            assert infos["control_steps"][row] == info["control_steps"]
            assert infos["background"]["set"][row] == "footage"
            assert infos["background"]["video"][row] == info["background"]["video"]
            assert infos["background"]["frame"][row] == info["background"]["frame"]
        over = truncated.all()
    assert info["control_steps"] == 400, "the second episode was not reached"
    envs.close()
    for single in singles:
        single.close()


@pytest.mark.parametrize(
    ("mode", "env_id"),
    [
        *((mode, PENDULUM) for mode in AutoresetMode),
        (AutoresetMode.SAME_STEP, "NaturalMujoco/PendulumSwingupStandard-v0"),
    ],
)
def test_autoreset_is_gymnasiums(mode: AutoresetMode, env_id: str, plain_clips: Path) -> None:
    kwargs: dict[str, Any] = {"action_repeat": 300}
    if env_id == PENDULUM:
        kwargs["videos"] = plain_clips
    ours = gym.make_vec(env_id, num_envs=3, workers=2, autoreset_mode=mode, **kwargs)
    theirs = gym.make_vec(
        env_id, num_envs=3, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, **kwargs
    )
    assert isinstance(theirs, SyncVectorEnv)
    assert ours.metadata["autoreset_mode"] is mode
    everyone = np.ones(3, bool)

    def compare(mine: tuple[Any, ...], reference: tuple[Any, ...], rows: np.ndarray = everyone) -> None:
        for one, other in zip(mine[:-1], reference[:-1], strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
        assert_infos_equal(mine[-1], reference[-1], rows)

    compare(ours.reset(seed=3), theirs.reset(seed=3))
    rng = np.random.default_rng(0)
    over, ends = np.zeros(3, bool), 0
    for step in range(11):
        # Restarting the middle one alone lets episodes end at different steps from then on.
        mask = over if mode is AutoresetMode.DISABLED else np.array([False, step == 1, False])
        if mask.any():
            options = {"reset_mask": mask}
            seeds = [None, 40 + step, None]
            compare(
                ours.reset(seed=seeds, options=dict(options)), theirs.reset(seed=seeds, options=options), mask
            )
        actions = rng.uniform(-1, 1, (3, 1)).astype(np.float32)
        mine = ours.step(actions)
        compare(mine, theirs.step(actions))
        over = mine[2] | mine[3]
        ends += over.sum()
        if step == 0 and mode is AutoresetMode.DISABLED:
            over = np.array([False, True, False])
    assert ends >= 5
    ours.close()
    theirs.close()


@pytest.mark.parametrize(("mode", "kind"), [("async", AsyncVectorEnv), ("sync", SyncVectorEnv)])
def test_gymnasiums_own_vector_environments_work_too(
    mode: str, kind: type, shared: Any, footage: Path
) -> None:
    envs = gym.make_vec(CHEETAH, num_envs=3, vectorization_mode=mode, videos=footage, action_repeat=250)
    assert isinstance(envs, kind)
    expected, _ = shared.reset(seed=2)
    observations, _ = envs.reset(seed=2)
    np.testing.assert_array_equal(observations, expected)
    actions = np.full((3, 6), 0.5, np.float32)
    for one, other in zip(envs.step(actions)[:4], shared.step(actions)[:4], strict=True):
        np.testing.assert_array_equal(one, other)
    envs.close()


def test_seeds(shared: NaturalMujocoVectorEnv) -> None:
    counted, _ = shared.reset(seed=7)
    listed, _ = shared.reset(seed=[7, 8, 9])
    np.testing.assert_array_equal(counted, listed)
    unseeded, _ = shared.reset()
    assert not np.array_equal(unseeded, listed)
    shared.reset(seed=7)
    continued, _ = shared.reset(seed=[None, 8, None])
    np.testing.assert_array_equal(continued[1], listed[1])
    np.testing.assert_array_equal(continued[[0, 2]], unseeded[[0, 2]])
    with pytest.raises(InvalidArgument, match="seed has 2 entries for 3 sub-environments"):
        shared.reset(seed=[1, 2])


def test_a_reset_mask_leaves_the_others_where_they_are(shared: NaturalMujocoVectorEnv) -> None:
    shared.reset(seed=1)
    before, *_ = shared.step(np.zeros((3, 6), np.float32))
    mask = np.array([False, False, True])
    after, infos = shared.reset(seed=[None, None, 3], options={"reset_mask": mask})
    np.testing.assert_array_equal(after[:2], before[:2])
    assert not np.array_equal(after[2], before[2])
    np.testing.assert_array_equal(infos["_control_steps"], mask)
    *_, infos = shared.step(np.zeros((3, 6), np.float32))
    np.testing.assert_array_equal(infos["control_steps"], [500, 500, 250])
    for wrong in (np.array([True]), [1, 0, 1], np.zeros(3, bool)):
        with pytest.raises(InvalidArgument, match="reset_mask must be"):
            shared.reset(options={"reset_mask": wrong})


def test_reset_options_reach_every_sub_environment(shared: NaturalMujocoVectorEnv) -> None:
    _, infos = shared.reset(seed=0, options={"video": "car.mp4", "frame": 5})
    assert list(infos["background"]["video"]) == ["car.mp4"] * 3
    np.testing.assert_array_equal(infos["background"]["frame"], 5)


def test_returned_arrays_belong_to_the_caller(shared: NaturalMujocoVectorEnv) -> None:
    first, infos = shared.reset(seed=0)
    kept, steps = first.copy(), infos["control_steps"].copy()
    second, rewards, *_ = shared.step(np.ones((3, 6), np.float32))
    kept_rewards = rewards.copy()
    shared.step(np.zeros((3, 6), np.float32))
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(infos["control_steps"], steps)
    np.testing.assert_array_equal(rewards, kept_rewards)
    assert not np.array_equal(first, second)


def test_attributes_methods_and_pictures(shared: NaturalMujocoVectorEnv) -> None:
    shared.reset(seed=0)
    assert shared.get_attr("action_repeat") == (250, 250, 250)
    mattes = shared.get_attr("matte")
    assert [matte.shape for matte in mattes] == [(64, 64)] * 3
    assert shared.call("has_wrapper_attr", "matte") == (True, True, True)
    shared.set_attr("note", [1, 2, 3])
    assert shared.get_attr("note") == (1, 2, 3)
    shared.set_attr("note", "same")
    assert shared.get_attr("note") == ("same",) * 3
    with pytest.raises(InvalidArgument, match="values has 2 entries for 3"):
        shared.set_attr("note", [1, 2])
    pictures = shared.render()
    assert pictures is not None
    assert [picture.shape for picture in pictures] == [(32, 32, 3)] * 3


def test_a_users_mistake_comes_through_as_it_is_and_breaks_nothing(shared: NaturalMujocoVectorEnv) -> None:
    expected, _ = shared.reset(seed=4)
    with pytest.raises(InvalidArgument, match="NaN"):
        shared.step(np.full((3, 6), np.nan, np.float32))
    with pytest.raises(
        InvalidArgument, match=r"actions have shape \(2, 6\); this environment takes \(3, 6\)"
    ):
        shared.step(np.zeros((2, 6), np.float32))
    with pytest.raises(InvalidArgument, match="No video 'nowhere'"):
        shared.reset(options={"video": "nowhere"})
    with pytest.raises(InvalidArgument, match=r"Unknown reset option 'speed'. Valid: video, frame"):
        shared.reset(options={"speed": 2})
    observations, _ = shared.reset(seed=4)
    np.testing.assert_array_equal(observations, expected)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"split": "validation"}, "Unknown split 'validation'. Valid: train, test"),
        ({"num_envs": 0}, "num_envs is 0"),
        ({"workers": 0}, "workers is 0"),
        (
            {"autoreset_mode": "sometimes"},
            "Unknown autoreset_mode 'sometimes'. Valid: NextStep, SameStep, Disabled",
        ),
        ({"size": 0}, "size is 0"),
    ],
)
def test_arguments_that_cannot_be_meant(make_vec: Any, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        make_vec(**{"num_envs": 1, **kwargs})
    assert message in str(refused.value)


def test_a_missing_video_set_is_named_before_any_worker_starts() -> None:
    with pytest.raises(InvalidArgument, match="Unknown video set 'kinetics'"):
        gym.make_vec(PENDULUM, num_envs=2, videos="kinetics")


def test_a_worker_that_dies_is_named(make_vec: Any) -> None:
    envs = make_vec(num_envs=3)
    envs.reset(seed=0)
    os.kill(envs._workers[1].pid, signal.SIGKILL)
    with pytest.raises(WorkerError) as failed:
        envs.step(np.zeros((3, 1), np.float32))
    assert "Worker 1 (sub-environments 2 to 2) died" in str(failed.value)
    assert "SIGKILL" in str(failed.value)
    with pytest.raises(NaturalMujocoError, match="closed"):
        envs.step(np.zeros((3, 1), np.float32))


def test_a_worker_that_hangs_is_named_after_the_time_out(make_vec: Any) -> None:
    envs = make_vec(timeout=1.0)
    envs.reset(seed=0)
    os.kill(envs._workers[0].pid, signal.SIGSTOP)
    with pytest.raises(WorkerError, match=r"Worker 0 .* did not finish step within 1 s"):
        envs.step(np.zeros((2, 1), np.float32))
    assert not envs._workers


def test_a_programming_error_in_a_worker_comes_with_its_traceback(make_vec: Any) -> None:
    envs = make_vec(workers=1)
    envs.reset(seed=0)
    envs.set_attr("control_steps", "many")
    with pytest.raises(WorkerError) as failed:
        envs.step(np.zeros((2, 1), np.float32))
    message = str(failed.value)
    assert "Worker 0 (sub-environments 0 to 1) raised during step" in message
    assert "Traceback (most recent call last)" in message
    assert "self.control_steps += 1" in message


def test_close_may_be_called_again_and_leaves_nothing_behind(make_vec: Any) -> None:
    envs = make_vec()
    processes = [psutil.Process(worker.pid) for worker in envs._workers]
    envs.reset(seed=0)
    envs.close()
    envs.close()
    assert not any(process.is_running() for process in processes)
    for use in (lambda: envs.reset(), lambda: envs.step(np.zeros((2, 1))), lambda: envs.get_attr("size")):
        with pytest.raises(NaturalMujocoError, match="closed"):
            use()


SCRIPT = """
    import sys
    import gymnasium as gym
    import natural_mujoco
    import numpy as np

    print("this line must be printed once", flush=True)
    envs = gym.make_vec("NaturalMujoco/PendulumSwingup-v0", num_envs=2, workers=2, videos=sys.argv[1])
    envs.reset(seed=0)
    envs.step(np.zeros((2, 1), np.float32))
    print(*(worker.pid for worker in envs._workers), flush=True)
"""


def test_a_script_needs_neither_a_main_guard_nor_close(tmp_path: Path, plain_clips: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(SCRIPT))
    finished = subprocess.run(
        [sys.executable, str(script), str(plain_clips)], capture_output=True, text=True, timeout=120
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("printed once") == 1
    assert "Traceback" not in finished.stderr
    assert not any(psutil.pid_exists(int(pid)) for pid in finished.stdout.splitlines()[1].split())


def test_workers_end_when_their_parent_is_killed(tmp_path: Path, plain_clips: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(SCRIPT) + "\nimport time\ntime.sleep(600)\n")
    with subprocess.Popen(
        [sys.executable, str(script), str(plain_clips)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        workers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(workers) == 2
        parent.kill()
    deadline = time.monotonic() + 60
    while any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers):
        assert time.monotonic() < deadline, "workers outlive their parent"
        time.sleep(0.1)
