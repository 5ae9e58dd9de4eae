"""The table of ten, and the twenty ids it registers."""

from __future__ import annotations

import gymnasium as gym
import pytest

from natural_mujoco import TASKS, InvalidArgument, find_task
from natural_mujoco.rendering.gl import import_dm_control

from .rendering.segmentation import SCENERY

# The paper's ten, in its order of table 1 or not: what matters is that none is missing, renamed or added.
PAPER_NAMES = {
    "WalkerWalk": "walker-walk",
    "WalkerRun": "walker-run",
    "CheetahRun": "cheetah-run",
    "FingerSpin": "finger-spin",
    "CartpoleBalance": "cartpole-balance",
    "CartpoleSwingup": "cartpole-swingup",
    "BallInCupCatch": "ball-in-cup-catch",
    "ReacherEasy": "reacher-easy",
    "QuadrupedWalk": "quadruped-walk",
    "PendulumSwingup": "pendulum-swingup",
}


def test_the_ten_tasks_are_the_papers() -> None:
    assert {name: task.name for name, task in TASKS.items()} == PAPER_NAMES


def test_importing_the_package_registers_twenty_ids() -> None:
    ours = {name for name in gym.registry if name.startswith("NaturalMujoco/")}
    natural = {f"NaturalMujoco/{name}-v0" for name in PAPER_NAMES}
    standard = {f"NaturalMujoco/{name}Standard-v0" for name in PAPER_NAMES}
    assert ours == natural | standard


@pytest.mark.parametrize("id_name", PAPER_NAMES)
def test_a_task_is_found_under_all_its_names(id_name: str) -> None:
    names = (
        id_name,
        PAPER_NAMES[id_name],
        f"NaturalMujoco/{id_name}-v0",
        f"NaturalMujoco/{id_name}Standard-v0",
    )
    assert {find_task(name).id_name for name in names} == {id_name}


def test_the_papers_tables_write_two_tasks_differently() -> None:
    assert find_task("cup-catch").id_name == "BallInCupCatch"
    assert find_task("catpole-swingup").id_name == "CartpoleSwingup"


@pytest.mark.parametrize("name", ["walker", "walker walk", "WalkerWalk-v1", ""])
def test_an_unknown_task_is_refused_with_the_ten_valid_ones(name: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        find_task(name)
    assert repr(name) in str(refused.value)
    assert all(valid in str(refused.value) for valid in PAPER_NAMES.values())


@pytest.mark.parametrize("id_name", PAPER_NAMES)
def test_observations_come_from_the_conventional_camera(id_name: str) -> None:
    assert TASKS[id_name].camera_id == (2 if id_name == "QuadrupedWalk" else 0)


@pytest.mark.parametrize("id_name", PAPER_NAMES)
def test_scenery_is_bolted_to_the_world_and_listed_completely(id_name: str) -> None:
    task = TASKS[id_name]
    model = import_dm_control().load(task.domain, task.task).physics.model
    names = {model.id2name(index, "geom") for index in range(model.ngeom)}
    assert task.scenery == names & SCENERY
    for name in task.scenery:
        assert model.geom_bodyid[model.name2id(name, "geom")] == 0, f"{name} hangs on a moving body"
