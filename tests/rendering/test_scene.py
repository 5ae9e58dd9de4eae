"""The foreground against MuJoCo's own segmentation: coverage, objects, edges, colours; for all ten tasks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from natural_mujoco import TASKS, Task
from natural_mujoco.environment import NaturalMujocoEnv
from natural_mujoco.rendering.gl import import_dm_control

from ..clips import COLOURS
from .segmentation import Segmentation

STATES = 8

# What each task's foreground must show, by MuJoCo's names. The finger hides its target and tip (alpha 0) when it spins,
# and the quadruped's tendons connect joints and have no shape.
OBJECTS = {
    "walker": "geom torso, geom right_thigh, geom right_leg, geom right_foot, geom left_thigh, geom left_leg, "
    "geom left_foot",
    "cheetah": "geom torso, geom head, geom bthigh, geom bshin, geom bfoot, geom fthigh, geom fshin, geom ffoot",
    "finger": "geom proximal_decoration, geom proximal, geom distal, geom fingertip, geom cap1, geom cap2, "
    "geom spinner_decoration",
    "cartpole": "geom cart, geom pole_1",
    "ball_in_cup": "geom cup_part_0, geom cup_part_1, geom cup_part_2, geom cup_part_3, geom cup_part_4, geom ball, "
    "tendon string",
    "reacher": "geom root, geom target, geom arm, geom hand, geom finger",
    "quadruped": "geom torso, geom eye_l, geom eye_r, geom thigh_front_left, geom thigh_front_right, "
    "geom thigh_back_left, geom thigh_back_right, geom shin_front_left, geom shin_front_right, geom shin_back_left, "
    "geom shin_back_right, geom foot_front_left, geom foot_front_right, geom foot_back_left, geom foot_back_right, "
    "geom toe_front_left, geom toe_front_right, geom toe_back_left, geom toe_back_right, site pupil_l, site pupil_r",
    "pendulum": "geom base, geom pole, geom mass",
}


class Observed:
    """A natural environment over plain clips, and MuJoCo's segmentation of the same physics."""

    def __init__(self, task: Task, plain_clips: Path) -> None:
        self.env = NaturalMujocoEnv(task.id_name, videos=plain_clips)
        self.segmentation = Segmentation(self.env.dm_control_env.physics, task.camera_id)
        self.rng = np.random.default_rng(0)

    def show(self, state: int, video: str = "white") -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The observation of the `state`-th state before a plain colour; states are reached by random actions."""
        observation, _ = self.env.reset(seed=state, options={"video": video})
        rng = np.random.default_rng(state)
        for _ in range(4 * state):
            observation, *_ = self.env.step(rng.uniform(-1, 1, self.env.action_space.shape))
        return observation

    def close(self) -> None:
        self.segmentation.close()
        self.env.close()


@pytest.fixture(params=TASKS.values(), ids=TASKS.keys(), scope="module")
def task(request: pytest.FixtureRequest) -> Task:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def observed(task: Task, plain_clips: Path) -> Iterator[Observed]:
    pair = Observed(task, plain_clips)
    yield pair
    pair.close()


def test_coverage_is_that_of_an_eightfold_supersampled_segmentation(task: Task, observed: Observed) -> None:
    errors = []
    for state in range(STATES):
        observed.show(state)
        expected = observed.segmentation.coverage()
        errors.append(np.abs(observed.env.matte / 255 - expected).sum() / expected.sum())
    assert np.mean(errors) <= (0.15 if task.domain == "ball_in_cup" else 0.09)
    assert max(errors) <= 0.20


def test_every_object_of_the_task_is_in_the_matte(task: Task, observed: Observed) -> None:
    seen = set()
    for state in range(STATES):
        observed.show(state)
        matte = observed.env.matte / 255
        for name, share in observed.segmentation.object_coverage().items():
            if share.sum() < 1:
                continue  # less than a pixel of it shows
            seen.add(name)
            assert np.minimum(matte, share).sum() > 0.7 * share.sum(), f"{name} is missing in state {state}"
    missing = set(OBJECTS[task.domain].split(", ")) - seen
    assert not missing - {"site pupil_l", "site pupil_r", "geom eye_l", "geom eye_r"}


def test_small_parts_seen_only_from_some_sides_are_in_the_matte(plain_clips: Path) -> None:
    observed = Observed(TASKS["QuadrupedWalk"], plain_clips)
    most = dict.fromkeys(("site pupil_l", "site pupil_r", "geom eye_l", "geom eye_r"), 0.0)
    for state in range(STATES):
        observed.show(state)
        matte = observed.env.matte / 255
        for name, share in observed.segmentation.object_coverage().items():
            if name in most:
                most[name] = max(most[name], np.minimum(matte, share).sum() / share.sum())
    observed.close()
    assert min(most.values()) > 0.9, most


def test_scenery_is_never_covered(observed: Observed) -> None:
    for state in range(STATES):
        observed.show(state)
        padded = np.pad(observed.segmentation.coverage(), 1)
        # Sampling may move an edge by a fraction of a pixel, so pixels that touch the foreground are left out.
        nearby = sum(padded[i : i + 64, j : j + 64] for i in range(3) for j in range(3))
        assert observed.env.matte[nearby == 0].max() == 0


def test_pixels_show_the_foreground_the_video_or_their_blend(observed: Observed) -> None:
    shown = {video: observed.show(2, video).astype(np.float64) for video in ("black", "white", "red", "blue")}
    alpha = observed.env.matte[..., None] / 255
    assert (alpha == 0).any()
    assert ((alpha > 0) & (alpha < 1)).any()
    assert (alpha == 1).any()
    for video, pixels in shown.items():
        expected = shown["black"] + (1 - alpha) * np.array(COLOURS[video])
        assert np.abs(pixels - expected).max() <= 1
        uncovered, covered = alpha[..., 0] == 0, alpha[..., 0] == 1
        np.testing.assert_array_equal(
            pixels[uncovered], np.broadcast_to(COLOURS[video], (uncovered.sum(), 3))
        )
        np.testing.assert_array_equal(pixels[covered], shown["black"][covered])


def test_edges_carry_no_fringe_of_black_or_sky(observed: Observed) -> None:
    for state in (0, 3):
        observation, coverage = observed.show(state, "black"), observed.segmentation.coverage()
        matte = observed.env.matte / 255
        edge = (matte > 0.2) & (matte < 1) & (coverage > 0.2)
        # Over black what is left of an edge pixel is the object's colour times its coverage.
        colour = observation[edge] / matte[edge, None]
        expected = observed.segmentation.over((0, 0, 0))[edge] / coverage[edge, None]
        # Coarser limbs are shaded a little differently; black or sky blended in would take a quarter and more.
        ratio = colour.mean(axis=0) / expected.mean(axis=0)
        assert (np.abs(ratio - 1) < 0.1).all(), ratio


def test_over_white_no_pixel_is_darker_than_the_object_in_it(observed: Observed) -> None:
    observation = observed.show(1, "white").astype(np.float64)
    coverage = observed.segmentation.coverage()
    colour = observed.segmentation.over((0, 0, 0)) / np.maximum(coverage, 1e-9)[..., None]
    edge = (coverage > 0.1) & (observed.env.matte > 25) & (observed.env.matte < 255)
    # A limb of 12 sides is shaded a little differently from one of 28; nothing else may darken an edge.
    assert np.percentile((observation - colour)[edge], 2) > -15


def test_objects_have_the_colours_that_dm_control_gives_them(observed: Observed) -> None:
    observation = observed.show(3, "green").astype(np.float64)
    coverage, black = observed.segmentation.coverage(), observed.segmentation.over((0, 0, 0))
    inside = (coverage == 1) & (observed.env.matte == 255)
    assert inside.sum() >= 5
    assert np.abs(observation - black)[inside].mean() < 8


def test_each_object_is_drawn_in_its_own_colour(plain_clips: Path) -> None:
    # A matte cannot tell whether the quadruped's pupils are drawn on its eyes, or the ball before the cup.
    for id_name in ("QuadrupedWalk", "BallInCupCatch", "ReacherEasy"):
        observed = Observed(TASKS[id_name], plain_clips)
        compared = set()
        for state in range(STATES):
            observation = observed.show(state, "black").astype(np.float64)
            expected = observed.segmentation.over((0, 0, 0))
            for name, share in observed.segmentation.object_coverage().items():
                inside = share > 0.6
                if inside.any():
                    compared.add(name)
                    difference = (observation - expected)[inside].mean(axis=0)
                    assert np.abs(difference).max() < 30, (name, difference)
        assert (
            compared
            >= {
                "QuadrupedWalk": {"site pupil_r", "geom torso", "geom toe_back_left"},
                "BallInCupCatch": {"geom ball", "geom cup_part_0"},
                "ReacherEasy": {"geom root", "geom target", "geom finger", "geom arm"},
            }[id_name]
        )
        observed.close()


def test_the_physics_own_pictures_stay_as_they_were(task: Task, observed: Observed) -> None:
    observed.env.reset(seed=5)
    physics_stream, _ = np.random.SeedSequence(5).spawn(2)
    random = np.random.RandomState(int(physics_stream.generate_state(1)[0]))
    theirs = import_dm_control().load(task.domain, task.task, task_kwargs={"random": random})
    theirs.reset()
    ours = observed.env.dm_control_env.physics
    np.testing.assert_array_equal(
        ours.render(64, 64, task.camera_id), theirs.physics.render(64, 64, task.camera_id)
    )
