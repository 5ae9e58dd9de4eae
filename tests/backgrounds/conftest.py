"""What the tests of video sets share: an empty cache each, a few clips of real footage, a Hub that serves them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .hub_server import HubServer
from .sets import environment, write_archive, write_clips, write_manifest


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


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory, clips: dict[str, Path]) -> dict[str, Path]:
    """Two zip files with three clips each."""
    folder = tmp_path_factory.mktemp("archives")
    ids = list(clips)
    halves = ({i: clips[i] for i in ids[:3]}, {i: clips[i] for i in ids[3:]})
    return {f"part{k}.zip": write_archive(folder / f"part{k}.zip", half) for k, half in enumerate(halves, 1)}


@pytest.fixture
def hub(archives: dict[str, Path]) -> Iterator[HubServer]:
    with HubServer(dict(archives), repo="someone/clips") as server:
        yield server


@pytest.fixture
def env(hub: HubServer, home: Path, tmp_path: Path) -> dict[str, str]:
    """A user who has accepted nothing yet and whose Hub is the test's."""
    return environment(home, HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path / "hf"))


@pytest.fixture
def street(tmp_path: Path, clips: dict[str, Path]) -> Path:
    """A set of the six clips on the Hub."""
    source = {"kind": "hub", "repo": "someone/clips", "archives": ["part1.zip", "part2.zip"]}
    return write_manifest(tmp_path / "street.json", list(clips), source, frames=24)
