"""The site, built once for all tests and workers; and an empty folder to follow pages in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from .code_blocks import ROOT
from .following import Follow, follow_commands


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder of the built pages. Building fails on any warning and on any link to nothing."""
    base = tmp_path_factory.getbasetemp()
    out = (base if worker_id == "master" else base.parent) / "documentation"
    with FileLock(f"{out}.lock"):
        if not (out / "html" / "index.html").exists():
            command = [sys.executable, "-m", "tools.site", "--quick", "--out", str(out)]
            built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            assert built.returncode == 0, built.stderr
    return out / "html"


@pytest.fixture
def follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Follow:
    """Follows a page of `docs/` from `tmp_path`, where `examples/` is."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(tmp_path)
    return lambda page: follow_commands(ROOT / "docs" / page)
