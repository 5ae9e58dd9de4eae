"""Where Minari is missing, as on Python 3.10: one sentence that says what to install, and nothing written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agents.studies.recorded_data import Recorded
from natural_mujoco import NaturalMujocoError
from natural_mujoco.cli import main

INSTALL = "pip install 'natural-mujoco[demonstrations]'"


@pytest.fixture(autouse=True)
def _no_minari(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "minari", None)
    monkeypatch.delitem(sys.modules, "natural_mujoco.demonstrations.dataset", raising=False)


def test_recording_says_what_to_install(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["episodes", "record", "reacher-easy", "--out", str(tmp_path / "set-v0")]) == 1
    told = capsys.readouterr().err
    assert "Recording needs Minari" in told
    assert INSTALL in told
    assert not list(tmp_path.iterdir())


def test_probing_a_recording_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(NaturalMujocoError, match="--episodes needs Minari") as error:
        Recorded(tmp_path)
    assert INSTALL in str(error.value)
