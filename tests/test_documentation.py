"""The examples in docstrings do what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import natural_mujoco

# `__main__` would run the command line; the agents, inside the package in a wheel, have tests of their own.
MODULES = [
    module.name
    for module in pkgutil.walk_packages(natural_mujoco.__path__, "natural_mujoco.")
    if not module.name.endswith("__main__") and ".agents" not in module.name
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0


def test_the_main_classes_have_examples() -> None:
    finder = doctest.DocTestFinder()
    for name in ("tasks", "environment", "vector.environment", "backgrounds.playback"):
        module = importlib.import_module(f"natural_mujoco.{name}")
        assert any(test.examples for test in finder.find(module)), name
