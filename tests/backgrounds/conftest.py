"""What the tests of video sets share: an empty cache each, and a few clips of real footage cut once."""

from __future__ import annotations

from pathlib import Path

import pytest

from .sets import write_clips


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own."""
    folder = tmp_path / "home"
    monkeypatch.setenv("NATURAL_MUJOCO_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Six short clips of real footage by id; not to be changed."""
    return write_clips(tmp_path_factory.mktemp("clips"), 6)
