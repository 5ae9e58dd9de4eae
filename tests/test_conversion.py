"""Environments of one process: each as dm_control loads it, whatever was done to the others."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from natural_mujoco import TASKS, Task, find_task
from natural_mujoco.conversion import ConvertedTask, save_model, suite


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


def test_the_model_is_written_whatever_was_loaded_since(tmp_path: Path) -> None:
    """Also where the task's own model was compiled earlier and is kept: MuJoCo writes the last that it parsed."""
    task = find_task("walker-walk")
    ConvertedTask(task).close()
    suite.load("cheetah", "run")
    save_model(task, tmp_path / "task.xml")
    written = mujoco.MjModel.from_xml_path(str(tmp_path / "task.xml"))
    expected = suite.load(task.domain, task.task).physics.model.ptr
    assert (written.nq, written.ngeom, written.nu) == (expected.nq, expected.ngeom, expected.nu)
    assert [written.geom(k).name for k in range(written.ngeom)] == [
        expected.geom(k).name for k in range(expected.ngeom)
    ]
