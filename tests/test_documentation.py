"""The examples in docstrings do what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import natural_mujoco

PACKAGE = Path(natural_mujoco.__file__).parent


def _module(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# The agents lie inside the package in a wheel; they have tests of their own.
WITH_EXAMPLES = [
    _module(path)
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8") and "agents" not in path.relative_to(PACKAGE).parts
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_docstring_examples(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_the_main_classes_have_examples() -> None:
    assert {
        "natural_mujoco.tasks",
        "natural_mujoco.environment",
        "natural_mujoco.vector.environment",
        "natural_mujoco.backgrounds.playback",
    } <= set(WITH_EXAMPLES)
