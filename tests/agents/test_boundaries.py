"""What the agents may touch of the suite: Gymnasium's API, the policy protocol, the one rollout, files, processes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import agents

FOLDER = Path(agents.__file__).parent
ALLOWED = (
    "natural_mujoco.cli",
    "natural_mujoco.demonstrations",
    "natural_mujoco.errors",
    "natural_mujoco.evaluation.conditions",
    "natural_mujoco.evaluation.curves",
    "natural_mujoco.evaluation.episodes",
    "natural_mujoco.evaluation.fields",
    "natural_mujoco.evaluation.protocol",
    "natural_mujoco.evaluation.ray_tasks",
    "natural_mujoco.evaluation.records",
    "natural_mujoco.experts",
    "natural_mujoco.files",
    "natural_mujoco.processes",
)


def imports(path: Path) -> list[tuple[str, int]]:
    """Every absolute module that a file imports, with the number of leading dots of relative ones."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", node.level))
    return found


@pytest.mark.parametrize("path", sorted(FOLDER.glob("**/*.py")), ids=lambda p: p.stem)
def test_imports_of_the_suite_are_the_public_ones(path: Path) -> None:
    for module, level in imports(path):
        if level:
            assert level <= len(path.relative_to(FOLDER).parts), f"{path.name} reaches outside the package"
        else:
            assert module.split(".")[0] != "agents", f"{path.name} must import its own package relatively"
            if module.startswith("natural_mujoco."):
                assert module in ALLOWED, f"{path.name} imports {module}"


def test_no_file_of_the_agents_can_unpickle() -> None:
    for path in FOLDER.glob("**/*.py"):
        source = path.read_text()
        modules = {module for module, _ in imports(path)}
        assert not modules & {"pickle", "dill", "joblib", "cloudpickle"}, path
        assert not re.search(r"(?<!safetensors\.)torch\.(load|save)\b", source), path


def test_files_are_short_and_named_for_what_they_hold() -> None:
    for path in FOLDER.glob("**/*.py"):
        assert len(path.read_text().splitlines()) <= 350, path
        assert path.stem not in {"utils", "helpers", "common", "misc", "tools"}
