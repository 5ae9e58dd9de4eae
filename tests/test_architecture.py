"""The tree is what ARCHITECTURE.md draws: layers that import downwards, and a step that loads only what it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]


def test_the_contracts_of_pyproject_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(ROOT)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0


@pytest.mark.parametrize("module", ["natural_mujoco.environment", "natural_mujoco.vector"])
def test_making_an_environment_loads_nothing_that_it_does_not_need(module: str) -> None:
    program = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    needless = (
        "torch",
        "agents",
        "matplotlib",
        "natural_mujoco.backgrounds.obtain",
        "natural_mujoco.evaluation",
    )
    assert [name for name in loaded if name.startswith(needless)] == []
