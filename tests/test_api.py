"""What `import natural_mujoco` offers: every class that a user catches or imports, cheaply."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import natural_mujoco
from natural_mujoco import InvalidArgument, NaturalMujocoError, errors
from natural_mujoco.environment import NaturalMujocoEnv


def test_every_public_name_is_there() -> None:
    for name in natural_mujoco.__all__:
        assert getattr(natural_mujoco, name) is not None
        assert name in dir(natural_mujoco)
    with pytest.raises(AttributeError, match="no attribute 'WalkerRuns'"):
        _ = natural_mujoco.WalkerRuns


def test_everything_that_can_be_raised_or_warned_is_public() -> None:
    raised = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == errors.__name__
    }
    assert raised <= set(natural_mujoco.__all__)
    assert {"PolicyError", "ResultsError", "EmbeddedVideosWarning", "Policy", "read_results"} <= set(
        natural_mujoco.__all__
    )
    for name in raised - {"EmbeddedVideosWarning"}:
        assert issubclass(getattr(natural_mujoco, name), NaturalMujocoError)


def test_importing_the_package_imports_nothing_heavy_and_names_do_so_when_asked_for() -> None:
    source = """
import sys
import natural_mujoco
heavy = ("cv2", "dm_control", "mujoco", "OpenGL", "pydantic", "scipy", "shimmy", "torch", "huggingface_hub", "jinja2")
natural_mujoco.EmbeddedVideosWarning, natural_mujoco.PolicyError, natural_mujoco.Split
print([name for name in heavy if name in sys.modules])
from natural_mujoco import Policy, read_results, NaturalMujocoEnv
print(Policy.__name__, read_results.__name__, NaturalMujocoEnv.__name__, "dm_control" in sys.modules)
"""
    finished = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60)
    assert finished.stdout.splitlines() == ["[]", "Policy read_results NaturalMujocoEnv False"], (
        finished.stderr
    )


@pytest.mark.parametrize(
    "name", ["ResetNeeded", "ClosedEnvironmentError", "InvalidAction", "UnsupportedMode"]
)
def test_gymnasiums_own_errors_are_raised_where_it_has_one(name: str, plain_clips: Path) -> None:
    def misuse() -> None:
        env = NaturalMujocoEnv(
            "PendulumSwingup", videos=plain_clips, render_mode="human" if name == "UnsupportedMode" else None
        )
        if name == "InvalidAction":
            env.reset()
        elif name == "ClosedEnvironmentError":
            env.close()
        env.step(np.zeros(3))

    theirs, ours = getattr(gym.error, name), getattr(natural_mujoco, name)
    assert issubclass(ours, theirs)
    with pytest.raises(theirs) as raised:
        misuse()
    assert type(raised.value) is ours


@pytest.mark.parametrize("natural", ["no", "", 0, 1, None, np.array([True])])
def test_natural_is_true_or_false(natural: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"natural is .*; it must be True or False"):
        NaturalMujocoEnv("PendulumSwingup", natural)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps], ids=lambda f: f.__name__)
@pytest.mark.parametrize("variant", ["-v0", "Standard-v0"])
def test_a_copy_says_what_to_do_instead_and_leaves_the_original_alone(
    variant: str, duplicate: Any, plain_clips: Path
) -> None:
    videos = {"videos": str(plain_clips)} if variant == "-v0" else {}
    env = gym.make(f"NaturalMujoco/PendulumSwingup{variant}", **videos)
    observation, _ = env.reset(seed=0)
    with pytest.raises(
        NaturalMujocoError, match=r"cannot be copied or pickled.*gymnasium\.make\(env\.spec\)"
    ):
        duplicate(env.unwrapped)
    # And what the sentence advises works.
    assert env.spec is not None
    other = gym.make(env.spec)
    np.testing.assert_array_equal(other.reset(seed=0)[0], observation)
    physics = env.get_wrapper_attr("dm_control_env").physics
    simulated = physics.copy()
    simulated.step()
    assert not np.array_equal(simulated.get_state(), physics.get_state())
    np.testing.assert_array_equal(env.reset(seed=0)[0], observation)
    env.close()
    other.close()
