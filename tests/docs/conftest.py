"""The site, built once for all tests and workers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]


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
