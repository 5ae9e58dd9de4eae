"""Environments of one process: each as dm_control loads it, whatever was done to the others."""

from __future__ import annotations

import numpy as np
import pytest

from natural_mujoco import TASKS, Task
from natural_mujoco.conversion import ConvertedTask, suite


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_environments_share_nothing_with_those_made_before(task: Task) -> None:
    first = ConvertedTask(task)
    first.reset(seed=0)
    model = first.dm_control_env.physics.model
    model.opt.gravity[:] = 0
    model.geom_size[:] *= 2
    model.actuator_gear[:] = 0
    for name in vars(first.dm_control_env.task):
        setattr(first.dm_control_env.task, name, None)
    second, third, fresh = ConvertedTask(task), ConvertedTask(task), suite.load(task.domain, task.task)
    for made in (second, third):
        physics = made.dm_control_env.physics
        assert physics.model.to_bytes() == fresh.physics.model.to_bytes()
        np.testing.assert_array_equal(physics.get_state(), fresh.physics.get_state())
        mine, theirs = vars(made.dm_control_env.task), vars(fresh.task)
        assert {name: value for name, value in mine.items() if name != "_random"} == {
            name: value for name, value in theirs.items() if name != "_random"
        }
    # Nor do they draw the same, where nobody gives a seed.
    draws = {float(made.dm_control_env.task.random.uniform()) for made in (second, third)}
    assert len(draws) == 2
    for made in (first, second, third):
        made.close()
