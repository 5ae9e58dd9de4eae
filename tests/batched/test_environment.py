"""The batched environment on the CPU, a few worlds at a time: beside single environments, and in all its modes."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import natural_mujoco
from natural_mujoco import TASKS, ClosedEnvironmentError, InvalidArgument, ResetNeeded, Task, batched
from natural_mujoco.errors import InvalidAction
from natural_mujoco.experts import load_expert
from natural_mujoco.experts.policy import observe
from natural_mujoco.rendering.matting import fade

pytestmark = pytest.mark.batched
N = 3
Make = Callable[..., Any]


@pytest.fixture
def build() -> Iterator[Make]:
    """Makes batched environments of three worlds, and closes them."""
    made: list[Any] = []

    def make(task: str, variant: str = "natural", **kwargs: Any) -> Any:
        made.append(batched.make(task, variant, num_envs=N, device="cpu", **kwargs))
        return made[-1]

    yield make
    for envs in made:
        envs.close()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Episodes of seven control steps: three whole agent steps and a half."""
    monkeypatch.setattr("natural_mujoco.batched.environment.EPISODE_CONTROL_STEPS", 7)


def actions(envs: Any, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.uniform(-1, 1, envs.action_space.shape).astype(np.float32))


def overlap(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Intersection over union of two mattes."""
    a, b = ours / 255.0, theirs / 255.0
    return float(np.minimum(a, b).sum() / np.maximum(a, b).sum())


def test_closing_frees_the_physics_and_the_renderer_at_once(build: Make, footage: Path) -> None:
    """On a GPU they hold gigabytes, which the next environment may need."""
    envs = build("walker-walk", videos=footage)
    envs.reset(seed=0)
    envs.step(actions(envs))
    held = [weakref.ref(part) for part in (envs.simulation, envs.simulation.data, envs._renderer)]
    gc.disable()
    try:
        envs.close()
        assert [part() for part in held] == [None, None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_it_is_the_single_environments_of_the_same_seeds(task: Task, build: Make, footage: Path) -> None:
    """State, reward, clip, frame, matte and picture, at the reset and after some steps that the expert would take."""
    envs = build(task.name, videos=footage, split="test")
    singles: list[Any] = [gym.make(task.natural_id, videos=footage, split="test").unwrapped for _ in range(N)]
    observations, infos = envs.reset(seed=7)
    rewards, expected = torch.zeros(N), [0.0] * N
    firsts = [single.reset(seed=7 + row) for row, single in enumerate(singles)]
    pictures, their_infos = [first[0] for first in firsts], [first[1] for first in firsts]
    expert = load_expert(task.name)
    for steps in range(4):
        state = envs.state_observation().numpy()
        for row, single in enumerate(singles):
            background = their_infos[row]["background"]
            assert envs.videos[infos["background"]["video"][row]] == background["video"]
            assert infos["background"]["frame"][row] == background["frame"]
            assert infos["control_steps"][row] == 2 * steps
            np.testing.assert_allclose(state[row], observe(single), rtol=2e-2, atol=2e-2 if steps else 2e-5)
            assert rewards[row] == pytest.approx(expected[row], abs=1e-3)
            assert overlap(envs.matte[row].numpy(), single.matte) > 0.955
            error = np.abs(observations[row].numpy().astype(int) - pictures[row])
            assert error.mean() < 1
            assert error[single.matte == 0].max() <= 80  # half a pixel of the robot beside the edge, rarely
            assert np.median(error) <= 1
        # At half strength: in the step in which a foot strikes, the two drift apart by more than in all others.
        action = 0.5 * expert.act(state)
        observations, rewards, terminated, truncated, infos = envs.step(torch.from_numpy(action))
        assert not (terminated | truncated).any()
        for row, single in enumerate(singles):
            pictures[row], expected[row], *_, their_infos[row] = single.step(action[row])
    for single in singles:
        single.close()


@pytest.mark.parametrize("task", ["walker-walk", "reacher-easy"])
def test_the_standard_variant_shows_the_scene(task: str, build: Make) -> None:
    envs = build(task, "standard")
    observations, infos = envs.reset(seed=0)
    single: Any = gym.make(natural_mujoco.find_task(task).standard_id).unwrapped
    expected, _ = single.reset(seed=0)
    assert "background" not in infos
    # No reflections, and light computed for each pixel: alike, not equal.
    assert np.abs(observations[0].numpy().astype(int) - expected).mean() < 25
    assert overlap(envs.matte[0].numpy(), single.matte) > 0.9
    single.close()


@pytest.mark.parametrize("matte", ["semantic", "paper"])
def test_strength_mixes_the_standard_picture_and_the_natural_one(
    build: Make, footage: Path, matte: str
) -> None:
    """As `rendering.matting.fade` mixes those of a single environment; at 0 the natural one counts for nothing."""

    def seen(variant: str, **kwargs: Any) -> Any:
        envs = build("ball-in-cup-catch", variant, **kwargs)
        return envs.reset(seed=2)[0].numpy(), envs.matte.numpy()

    arguments = {"videos": footage, "matte": matte, "rendering": "fast"}
    standard, silhouette = seen("standard", rendering="fast")
    natural, kept = seen("natural", **arguments)
    assert (standard != natural).mean() > 0.5
    for strength in (0.3, 0.0):
        mixed, coverage = seen("natural", **arguments, strength=strength)
        np.testing.assert_array_equal(mixed, fade(standard, natural, strength))
        np.testing.assert_array_equal(coverage, silhouette if (strength, matte) == (0, "semantic") else kept)


def test_the_papers_matte_keeps_what_is_red(build: Make, plain_clips: Path) -> None:
    envs = build("walker-walk", videos=plain_clips, split="test", matte="paper")
    observations, _ = envs.reset(seed=0)
    kept = envs.matte.bool()
    assert 0 < kept.float().mean() < 0.3
    assert (observations[~kept] == 128).all()
    assert (observations[kept][:, 0] > 100).all()


def test_each_seed_gives_its_episode_again_and_unseeded_resets_go_on(build: Make, plain_clips: Path) -> None:
    envs = build("pendulum-swingup", videos=plain_clips)
    first, infos = envs.reset(seed=[3, 4, 5])
    second, _ = envs.reset()
    assert not torch.equal(first, second)
    again, infos_again = envs.reset(seed=[5, 3, 4])
    assert torch.equal(again[[1, 2, 0]], first)
    assert torch.equal(infos_again["background"]["frame"][[1, 2, 0]], infos["background"]["frame"])
    again, _ = envs.reset()
    assert torch.equal(again[[1, 2, 0]], second)


@pytest.mark.usefixtures("short")
def test_next_step_resets_in_the_step_after_the_end(build: Make, plain_clips: Path) -> None:
    envs = build("pendulum-swingup", videos=plain_clips)
    envs.reset(seed=0)
    for step in range(1, 9):
        _, rewards, terminated, truncated, infos = envs.step(actions(envs, step))
        assert not terminated.any()
        assert truncated.tolist() == [step % 5 == 4] * N
        assert infos["control_steps"].tolist() == [[2, 4, 6, 7, 0][(step - 1) % 5]] * N
        if step == 5:
            assert rewards.tolist() == [0] * N
    single = gym.make(TASKS["PendulumSwingup"].natural_id, videos=plain_clips)
    single.reset(seed=1)
    _, info = single.reset()
    assert envs.videos[infos["background"]["video"][1]] == info["background"]["video"]
    single.close()


@pytest.mark.usefixtures("short")
def test_same_step_resets_at_once_and_keeps_the_end(build: Make, plain_clips: Path) -> None:
    ends = build("pendulum-swingup", videos=plain_clips, playback="still")
    envs = build("pendulum-swingup", videos=plain_clips, playback="still", autoreset_mode="SameStep")
    ends.reset(seed=0)
    envs.reset(seed=0)
    for step in range(4):
        last, *_ = ends.step(actions(ends, step))
        observations, _, _, truncated, infos = envs.step(actions(envs, step))
    assert truncated.all()
    assert torch.equal(infos["final_obs"], last)
    assert infos["final_info"]["control_steps"].tolist() == [7] * N
    assert infos["control_steps"].tolist() == [0] * N
    begun, *_ = ends.step(actions(ends))
    assert torch.equal(observations, begun)


@pytest.mark.usefixtures("short")
def test_without_autoreset_a_mask_resets_some_and_leaves_the_others(build: Make, plain_clips: Path) -> None:
    envs = build("pendulum-swingup", videos=plain_clips, autoreset_mode="Disabled")
    with pytest.raises(ResetNeeded, match=r"Sub-environments \[0, 1, 2\] have not begun"):
        envs.step(actions(envs))
    envs.reset(seed=0)
    envs.step(actions(envs))
    state = envs.state_observation()
    mask = torch.tensor([False, True, False])
    _, infos = envs.reset(options={"reset_mask": mask, "video": "red", "frame": 2})
    assert infos["control_steps"].tolist() == [2, 0, 2]
    assert envs.videos[infos["background"]["video"][1]] == "red"
    assert infos["background"]["frame"][1] == 2
    torch.testing.assert_close(envs.state_observation()[~mask], state[~mask], atol=0, rtol=0)
    for _ in range(3):
        _, _, _, truncated, infos = envs.step(actions(envs))
    assert truncated.tolist() == [True, False, True]
    assert infos["control_steps"].tolist() == [7, 6, 7]
    with pytest.raises(ResetNeeded, match=r"sub-environments \[0, 2\] are over"):
        envs.step(actions(envs))


def test_a_world_that_ends_within_the_repeat_rests(
    build: Make, plain_clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five of seven control steps are left, and the repeat is three: the last agent step makes two."""
    monkeypatch.setattr("natural_mujoco.batched.environment.EPISODE_CONTROL_STEPS", 5)
    envs = build("cartpole-balance", videos=plain_clips, action_repeat=3)
    envs.reset(seed=0)
    envs.step(actions(envs))
    envs.reset(options={"reset_mask": np.array([False, True, False])})
    _, rewards, _, truncated, infos = envs.step(actions(envs, 1))
    assert truncated.tolist() == [True, False, True]
    assert infos["control_steps"].tolist() == [5, 3, 5]
    single = gym.make(TASKS["CartpoleBalance"].natural_id, videos=plain_clips, action_repeat=1)
    single.reset(seed=2)
    for _ in range(3):
        single.step(actions(envs)[2].numpy())
    expected = sum(single.step(actions(envs, 1)[2].numpy())[1] for _ in range(2))
    assert rewards[2] == pytest.approx(expected, abs=1e-4)
    np.testing.assert_allclose(envs.state_observation()[2], observe(single), atol=1e-4)
    single.close()


@pytest.mark.parametrize("poison", [float("nan"), 1e30])
def test_a_world_that_diverges_is_reset_and_the_others_do_not_notice(
    poison: float, build: Make, plain_clips: Path
) -> None:
    sound = build("walker-walk", videos=plain_clips)
    envs = build("walker-walk", videos=plain_clips)
    for each in (sound, envs):
        each.reset(seed=0)
    envs.simulation.qvel[1] = poison
    for step in range(3):
        expected = sound.step(actions(sound, step))
        observations, rewards, _, truncated, infos = envs.step(actions(envs, step))
        assert torch.equal(observations[::2], expected[0][::2])
        assert torch.equal(rewards[::2], expected[1][::2])
        assert rewards.isfinite().all()
        assert infos["diverged"].tolist() == [False, step == 0, False]
        assert truncated.tolist() == [False, step == 0, False]
        assert infos["control_steps"].tolist() == [2 * step + 2, [2, 0, 2][step], 2 * step + 2]
    assert envs.state_observation().isfinite().all()


def test_what_is_wrong_is_refused_before_anything_moves(build: Make, plain_clips: Path) -> None:
    envs = build("pendulum-swingup", videos=plain_clips)
    envs.reset(seed=0)
    state = envs.state_observation()
    wrong: list[tuple[Any, str]] = [
        (torch.zeros(N, 2), r"actions have shape \(3, 2\)"),
        (torch.full((N, 1), float("nan")), "actions hold NaN"),
        (np.full((N, 1), np.nan), "actions hold NaN"),
        ("left", "actions are 'left'"),
    ]
    for action, sentence in wrong:
        with pytest.raises(InvalidAction, match=sentence):
            envs.step(action)
    options: list[tuple[dict[str, Any], str]] = [
        ({"reset_mask": [True]}, r"reset_mask must be bool\[3\]"),
        ({"reset_mask": torch.zeros(N, dtype=torch.bool)}, "at least one True"),
        ({"video": "purple"}, "No video 'purple'"),
        ({"frame": 3}, "has no frame 3"),
        ({"clip": 3}, "Unknown reset option 'clip'"),
    ]
    for option, sentence in options:
        with pytest.raises(InvalidArgument, match=sentence):
            envs.reset(options=option)
    with pytest.raises(InvalidArgument, match="seed has 2 entries for 3"):
        envs.reset(seed=[1, 2])
    assert torch.equal(envs.state_observation(), state)
    with pytest.raises(InvalidArgument, match="render_mode='rgb_array' means nothing here"):
        build("pendulum-swingup", videos=plain_clips, render_mode="rgb_array")
    envs.close()
    envs.close()
    with pytest.raises(ClosedEnvironmentError):
        envs.reset()


@pytest.mark.usefixtures("short")
def test_as_arrays_it_looks_like_the_vector_environment(build: Make, plain_clips: Path) -> None:
    envs = batched.to_numpy(build("pendulum-swingup", videos=plain_clips, autoreset_mode="SameStep"))
    theirs = gym.make_vec(
        TASKS["PendulumSwingup"].natural_id,
        num_envs=N,
        workers=1,
        videos=plain_clips,
        autoreset_mode="SameStep",
    )
    observations, infos = envs.reset(seed=0)
    _, expected = theirs.reset(seed=0)
    assert envs.observation_space.contains(observations)
    assert set(infos) == {*expected, "diverged", "_diverged"}
    for name, value in expected["background"].items():
        np.testing.assert_array_equal(infos["background"][name], value)
    for step in range(4):
        observations, rewards, terminated, truncated, infos = envs.step(actions(envs, step).numpy())
        assert rewards.dtype == np.float64
        assert terminated.dtype == truncated.dtype == np.bool_
    assert truncated.all()
    assert infos["final_obs"][1].shape == (64, 64, 3)
    assert infos["_final_obs"].all()
    theirs.close()
