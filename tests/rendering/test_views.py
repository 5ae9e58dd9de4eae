"""The paper's matte, and what the qualities of rendering have in common, for all ten tasks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from natural_mujoco import TASKS, Task
from natural_mujoco.environment import NaturalMujocoEnv
from natural_mujoco.rendering.gl import import_dm_control

from ..clips import decode
from .segmentation import Segmentation


@pytest.fixture(params=TASKS.values(), ids=TASKS.keys())
def task(request: pytest.FixtureRequest) -> Task:
    return request.param  # type: ignore[no-any-return]


def test_the_papers_matte_is_red_above_100_on_dm_controls_render(task: Task, footage: Path) -> None:
    physics_stream, _ = np.random.SeedSequence(13).spawn(2)
    random = np.random.RandomState(int(physics_stream.generate_state(1)[0]))
    theirs = import_dm_control().load(task.domain, task.task, task_kwargs={"random": random})
    theirs.reset()
    env = NaturalMujocoEnv(task.id_name, videos=footage, matte="paper")
    observation, info = env.reset(seed=13)
    rng = np.random.default_rng(0)
    for _ in range(3):
        image = theirs.physics.render(64, 64, task.camera_id)
        kept = image[..., 0] > 100
        frame = decode(info["background"]["video"])[info["background"]["frame"]]
        np.testing.assert_array_equal(observation, np.where(kept[..., None], image, frame))
        np.testing.assert_array_equal(env.matte, np.where(kept, 255, 0))
        action = rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)
        observation, _, _, _, info = env.step(action)
        theirs.step(action)
        theirs.step(action)
    env.close()


def test_the_papers_matte_on_fast_rendering(task: Task, plain_clips: Path) -> None:
    env = NaturalMujocoEnv(task.id_name, videos=plain_clips, matte="paper", rendering="fast")
    standard = NaturalMujocoEnv(task.id_name, natural=False, rendering="fast")
    observation, _ = env.reset(seed=1, options={"video": "green"})
    image, _ = standard.reset(seed=1)
    expected = np.where(image[..., :1] > 100, image, np.array([0, 255, 0]))
    np.testing.assert_array_equal(observation, expected)
    env.close()
    standard.close()


def test_reference_quality_covers_at_least_as_well_as_fast(task: Task, plain_clips: Path) -> None:
    errors = {}
    for rendering in ("fast", "reference"):
        env = NaturalMujocoEnv(task.id_name, videos=plain_clips, rendering=rendering)
        env.reset(seed=4)
        with Segmentation(env.dm_control_env.physics, task.camera_id) as segmentation:
            expected = segmentation.coverage()
        errors[rendering] = np.abs(env.matte / 255 - expected).sum() / expected.sum()
        env.close()
    assert errors["reference"] <= errors["fast"] + 0.005


def test_the_colour_key_loses_what_the_semantic_matte_keeps(plain_clips: Path) -> None:
    # Why the semantic matte exists: shares of each part's pixels that the released code's rule keeps.
    parts = {
        "FingerSpin": "geom spinner_decoration",
        "PendulumSwingup": "geom base",
        "BallInCupCatch": "tendon string",
    }
    for id_name, part in parts.items():
        kept = {}
        for matte in ("paper", "semantic"):
            env = NaturalMujocoEnv(id_name, videos=plain_clips, matte=matte)
            env.reset(seed=0)
            with Segmentation(env.dm_control_env.physics, 0) as segmentation:
                share = segmentation.object_coverage()[part]
            kept[matte] = np.minimum(env.matte / 255, share).sum() / share.sum()
            env.close()
        assert kept["paper"] < 0.5 < 0.8 < kept["semantic"], (part, kept)
