"""The string hangs as MuJoCo draws it."""

from __future__ import annotations

import mujoco
import numpy as np
import torch
from dm_control.mujoco import wrapper
from numpy.typing import ArrayLike

from natural_mujoco.batched.hanging_string import hang, segment_poses
from natural_mujoco.rendering.gl import import_dm_control

LENGTH = 0.3


def along(middle: ArrayLike, direction: ArrayLike, half: ArrayLike) -> np.ndarray:
    """Points along straight segments."""
    steps = np.linspace(-1, 1, 30)[None, :, None] * np.asarray(half)[:, None, None]
    return (np.asarray(middle)[:, None] + steps * np.asarray(direction)[:, None]).reshape(-1, 3)


def test_slack_and_taut_it_goes_where_mujoco_draws_it() -> None:
    physics = import_dm_control().load("ball_in_cup", "catch", task_kwargs={"random": 0}).physics
    model, data = physics.model, physics.data
    scene = mujoco.MjvScene(model.ptr, maxgeom=200)
    arguments = wrapper.MjvOption(), mujoco.MjvPerturb(), mujoco.MjvCamera(), mujoco.mjtCatBit.mjCAT_ALL.value
    rng = np.random.default_rng(0)
    tried = 0
    for _ in range(30):
        data.qpos[:] = rng.uniform([-0.1, -0.1, -0.2, -0.5], [0.1, 0.1, 0.2, 0.3])
        physics.forward()
        mujoco.mjv_updateScene(model.ptr, data.ptr, *arguments, scene)
        drawn = [scene.geoms[k] for k in range(scene.ngeom)]
        drawn = [geom for geom in drawn if geom.objtype == mujoco.mjtObj.mjOBJ_TENDON]
        sites = torch.from_numpy(physics.named.data.site_xpos[["cup", "ball"]])
        points = hang(sites[None, 0], sites[None, 1], LENGTH, 28)
        middle, rotation, half = segment_poses(points)
        if len(drawn) == 1:  # taut: one straight segment
            np.testing.assert_allclose(points[0].mean(0), drawn[0].pos, atol=1e-6)
            np.testing.assert_allclose(rotation[0, 0, :, 2].abs(), np.abs(drawn[0].mat[:, 2]), atol=1e-4)
            continue
        tried += 1
        assert len(drawn) == 28
        np.testing.assert_allclose(points[0, [0, -1]], sites, atol=1e-6)
        assert abs(2 * half.sum() - LENGTH) < 0.002
        ours = along(middle[0], rotation[0, :, :, 2], half[0])
        theirs = along(
            *(np.stack(x) for x in zip(*((g.pos, g.mat[:, 2], g.size[2]) for g in drawn), strict=True))
        )
        # Half a string, which is half a pixel; these points are 5 mm apart.
        assert np.linalg.norm(ours[:, None] - theirs, axis=2).min(1).max() < 0.003
    assert 5 < tried < 25


def test_points_above_one_another_and_ends_that_meet_give_numbers() -> None:
    start = torch.zeros(3, 3)
    end = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.2], [0.0, 0.0, -0.3]])
    points = hang(start, end, LENGTH, 28)
    assert points.isfinite().all()
    lowest = points[..., 2].amin(1)
    np.testing.assert_allclose(lowest, [-0.15, -0.05, -0.3], atol=0.003)
