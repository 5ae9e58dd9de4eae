"""`verify`: every damage is named, what can be mended is, and what was good stays as it was."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from natural_mujoco.backgrounds import VideoLibrary, open_videos
from natural_mujoco.backgrounds.obtain.preparation import Preparers
from natural_mujoco.backgrounds.obtain.verify import Finding, disk_use, verify

from .sets import prepared_under, write_manifest


@pytest.fixture
def street(home: Path, tmp_path: Path, clips: dict[str, Path]) -> VideoLibrary:
    """Three clips prepared at two sizes."""
    folder = tmp_path / "street"
    folder.mkdir()
    for clip_id in list(clips)[:3]:
        shutil.copy(clips[clip_id], folder / f"{clip_id}.mp4")
    ids = [f"{clip_id}.mp4" for clip_id in list(clips)[:3]]
    library = open_videos(write_manifest(tmp_path / "s.json", ids, {"kind": "folder", "path": "street"}))
    with Preparers(library, workers=1) as preparers:
        for clip_id, size in [*((clip_id, 16) for clip_id in ids), (ids[0], 24)]:
            preparers.submit(clip_id, size)
    return library


def prepared(library: VideoLibrary, clip_id: str, size: int) -> Path:
    """Where a clip's prepared frames lie."""
    return library.clip_path(library.video(clip_id), size)


def flip_keeping_the_times(path: Path) -> None:
    """One bit, as a failing disk flips it: size, times and inode stay."""
    status = path.stat()
    with open(path, "r+b") as file:
        file.seek(1000)
        byte = file.read(1)[0]
        file.seek(1000)
        file.write(bytes([byte ^ 4]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def states(findings: list[Finding]) -> dict[tuple[str, object], str]:
    return {(finding.clip_id, finding.what): finding.state for finding in findings}


def test_a_sound_cache_is_good_throughout(street: VideoLibrary, home: Path) -> None:
    before = prepared_under(home)
    found = states(verify(street))
    assert len(found) == 4
    assert set(found.values()) == {"good"}
    assert prepared_under(home) == before


def test_a_flipped_bit_that_opening_cannot_see_is_found_and_mended(street: VideoLibrary, home: Path) -> None:
    before = prepared_under(home)
    path = prepared(street, "clip-1.mp4", 16)
    flip_keeping_the_times(path)
    assert prepared_under(home) != before
    found = verify(street)
    assert states(found)["clip-1.mp4", 16] == "mended"
    assert [finding.state for finding in found].count("good") == 3
    assert next(f for f in found if f.state == "mended").detail.startswith("sha256")
    assert prepared_under(home) == before
    assert set(states(verify(street)).values()) == {"good"}


def test_looking_only_changes_nothing(street: VideoLibrary, home: Path) -> None:
    flip_keeping_the_times(prepared(street, "clip-1.mp4", 16))
    before = prepared_under(home)
    assert states(verify(street, mend=False))["clip-1.mp4", 16] == "damaged"
    assert prepared_under(home) == before


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", bytes(50_000)])
def test_files_that_are_no_clips_are_made_anew(street: VideoLibrary, home: Path, content: bytes) -> None:
    before = prepared_under(home)
    prepared(street, "clip-0.mp4", 24).write_bytes(content)
    assert states(verify(street))["clip-0.mp4", 24] == "mended"
    assert prepared_under(home) == before


def test_what_cannot_be_made_anew_is_lost_and_says_why(
    street: VideoLibrary, home: Path, tmp_path: Path, clips: dict[str, Path]
) -> None:
    for clip_id in ("clip-0.mp4", "clip-1.mp4"):
        flip_keeping_the_times(prepared(street, clip_id, 16))
    (tmp_path / "street" / "clip-0.mp4").unlink()
    shutil.copy(clips["clip-5"], tmp_path / "street" / "clip-1.mp4")
    found = {finding.clip_id: finding for finding in verify(street) if finding.state != "good"}
    assert {finding.state for finding in found.values()} == {"lost"}
    assert "Put them back" in found["clip-0.mp4"].detail
    assert "gives other frames" in found["clip-1.mp4"].detail


def test_an_open_environment_keeps_playing_while_its_clip_is_mended(street: VideoLibrary, home: Path) -> None:
    flip_keeping_the_times(prepared(street, "clip-2.mp4", 16))
    frames = street.frames("clip-2.mp4", 16)
    verify(street)
    assert frames.shape == (24, 16, 16, 3)
    assert frames.mean() > 0


def test_disk_use_counts_what_belongs_to_the_set(street: VideoLibrary, home: Path) -> None:
    use = disk_use(street)
    assert use.prepared == {16: 3, 24: 1}
    assert use.bytes == sum(path.stat().st_size for path in (home / "clips").rglob("*.npy"))
