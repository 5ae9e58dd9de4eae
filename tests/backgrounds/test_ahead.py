"""Clips prepared before they are asked for: in the order of want, by one process, which leaves nothing behind."""

from __future__ import annotations

import gc
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from natural_mujoco.backgrounds import VideoLibrary, open_videos
from natural_mujoco.backgrounds.obtain import ahead
from natural_mujoco.backgrounds.obtain.preparing_process import PreparingProcess
from natural_mujoco.backgrounds.playback import Playback

from .sets import HANGS_S, write_manifest


@pytest.fixture
def street(
    home: Path, tmp_path: Path, clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> VideoLibrary:
    """Four clips that are not prepared, on a machine with a core to spare."""
    monkeypatch.setenv("NATURAL_MUJOCO_PREPARE_AHEAD", "1")
    monkeypatch.setattr(ahead, "free_cores", lambda: 1)
    folder = tmp_path / "street"
    folder.mkdir()
    ids = [f"{clip_id}.mp4" for clip_id in list(clips)[:4]]
    for clip_id in ids:
        shutil.copy(clips[clip_id.removesuffix(".mp4")], folder / clip_id)
    return open_videos(write_manifest(tmp_path / "s.json", ids, {"kind": "folder", "path": "street"}))


def eventually(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANGS_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def prepared(library: VideoLibrary) -> list[str]:
    """The prepared clips in the order in which they were written."""
    paths = {v.id: library.clip_path(v, 16) for v in library.manifest.videos if library.is_prepared(v.id, 16)}
    return sorted(paths, key=lambda clip_id: paths[clip_id].stat().st_mtime_ns)


def test_the_first_clip_that_is_missing_starts_the_others_in_their_order(street: VideoLibrary) -> None:
    children = set(psutil.Process().children(recursive=True))
    order = ["clip-2.mp4", "clip-3.mp4", "clip-2.mp4", "clip-0.mp4"]
    street.frames("clip-1.mp4", 16, order)
    eventually(lambda: len(prepared(street)) == 4)
    assert prepared(street) == ["clip-1.mp4", "clip-2.mp4", "clip-3.mp4", "clip-0.mp4"]
    running = street.preparing
    assert running is not None
    eventually(lambda: not running.is_running)
    assert set(psutil.Process().children(recursive=True)) <= children


@pytest.mark.parametrize("end", ["stop", "collect"])
def test_nothing_is_left_of_what_is_ended(
    street: VideoLibrary, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    children = set(psutil.Process().children(recursive=True))
    begun: list[str] = []
    monkeypatch.setattr(
        PreparingProcess, "prepare", lambda self, library, clip_id, *rest: begun.append(clip_id)
    )
    held = street.cache.lock("turns", street.shelf.name, "16", street.key(street.video("clip-3.mp4")))
    with held:  # another process is at the second
        library = VideoLibrary(street.manifest, street.cache)
        running = ahead.Ahead(library, ["clip-2.mp4", "clip-3.mp4", "clip-0.mp4"], 16, _prepare())
        library.preparing = running
        eventually(lambda: begun == ["clip-2.mp4"])
        if end == "stop":
            library.stop_preparing()
        else:
            del library
            gc.collect()
        eventually(lambda: not running.is_running)
    assert begun == ["clip-2.mp4"]
    assert set(psutil.Process().children(recursive=True)) <= children


def _prepare() -> ahead.Prepare:
    from natural_mujoco.backgrounds.obtain.preparation import _prepare_with

    return _prepare_with


def test_one_process_of_a_machine_is_enough(street: VideoLibrary) -> None:
    with street.cache.lock("ahead", street.shelf.name, "16"):
        running = ahead.Ahead(street, ["clip-2.mp4"], 16, _prepare())
        eventually(lambda: not running.is_running)
    assert prepared(street) == []


def test_it_can_be_switched_off(street: VideoLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATURAL_MUJOCO_PREPARE_AHEAD", "0")
    street.frames("clip-1.mp4", 16, ["clip-2.mp4"])
    assert street.preparing is None
    monkeypatch.undo()
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)
    assert ahead.free_cores() == 0


def test_playback_foretells_the_episodes_to_come(
    street: VideoLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    foretold: list[list[str]] = []
    frames = np.zeros((2, 16, 16, 3), np.uint8)
    monkeypatch.setattr(street, "frames", lambda clip, size, coming: foretold.append(list(coming)) or frames)
    player, rng = Playback(street, "train", "loop", 16), np.random.default_rng(3)
    player.start(rng)
    expected, first = [], foretold[0]
    for _ in range(3):
        player.start(rng)
        expected.append(player.video)
    assert first[:3] == expected
    assert set(first) == set(player.videos)
