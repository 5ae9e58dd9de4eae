"""A folder of the user's own videos: which clips it gives, how they are split, and what is refused."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from natural_mujoco.backgrounds import open_videos
from natural_mujoco.backgrounds.obtain.folder import split_of
from natural_mujoco.errors import VideoSetError

from .footage import BIKES, CARPHONE, cut_to_frames, ffmpeg, short_clip
from .sets import prepared_under


@pytest.fixture
def folder(home: Path, tmp_path: Path, clips: dict[str, Path]) -> Path:
    """Three videos and one folder of frames."""
    folder = tmp_path / "My Videos"
    folder.mkdir()
    for clip_id in ("clip-0", "clip-1", "clip-2"):
        shutil.copy(clips[clip_id], folder / f"{clip_id}.MP4")
    cut_to_frames(CARPHONE, folder / "in the car", pattern="%03d.png", count=5)
    return folder


def test_a_folder_of_videos_and_frame_folders_is_a_set(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "licence.txt").write_text("mine")
    (folder / "nothing here").mkdir()
    opened = open_videos(folder)
    assert opened.name == "my-videos"
    names = {video.id for video in opened.manifest.videos}
    assert names == {"clip-0.MP4", "clip-1.MP4", "clip-2.MP4", "in the car"}
    assert opened.frames("in the car", 32).shape == (5, 32, 32, 3)
    assert opened.frames("clip-0.MP4", 32).shape == (24, 32, 32, 3)


def test_the_split_depends_on_the_name_alone_and_is_about_two_to_one() -> None:
    def expected(name: str) -> str:
        return "test" if int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) % 3 == 0 else "train"

    names = [f"clip {k}.mp4" for k in range(600)]
    assert [split_of(name) for name in names] == [expected(name) for name in names]
    assert 340 < [split_of(name) for name in names].count("train") < 460
    assert split_of("caf\u00e9.mp4") == split_of("cafe\u0301.mp4")  # macOS decomposes names


def test_the_content_hash_follows_names_and_bytes_and_not_the_place(
    folder: Path, tmp_path: Path, clips: dict[str, Path]
) -> None:
    first = open_videos(folder).content_hash
    moved = tmp_path / "elsewhere"
    shutil.copytree(folder, moved)
    assert open_videos(moved).content_hash == first
    os.utime(moved / "clip-0.MP4")
    assert open_videos(moved).content_hash == first
    (moved / "clip-0.MP4").rename(moved / "renamed.mp4")
    renamed = open_videos(moved).content_hash
    assert renamed != first
    shutil.copy(clips["clip-5"], moved / "renamed.mp4")
    assert open_videos(moved).content_hash not in (first, renamed)
    (moved / "in the car" / "004.png").unlink()
    assert len(open_videos(moved).frames("in the car", 32)) == 4


def test_a_renamed_video_is_not_prepared_again(folder: Path, home: Path) -> None:
    open_videos(folder).frames("clip-0.MP4", 32)
    before = prepared_under(home)
    (folder / "clip-0.MP4").rename(folder / "other.mp4")
    open_videos(folder).frames("other.mp4", 32)
    assert prepared_under(home) == before


def test_opening_the_folder_again_decodes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_videos(folder)
    monkeypatch.setattr("subprocess.Popen", None)  # what a decoding process would be started with
    assert open_videos(folder).content_hash == first.content_hash


def test_an_empty_folder_and_one_without_videos_say_what_belongs_there(home: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(VideoSetError, match=r"empty holds no videos \(it is empty\): put mp4, avi"):
        open_videos(empty)
    (empty / "notes.txt").write_text("")
    with pytest.raises(VideoSetError, match=r"holds no videos \(it holds notes\.txt\)"):
        open_videos(empty)


def test_a_folder_that_is_itself_the_frames_is_explained(home: Path, tmp_path: Path) -> None:
    frames = cut_to_frames(BIKES, tmp_path / "frames", count=3)
    with pytest.raises(VideoSetError, match="holds frames itself: give the folder above it"):
        open_videos(frames)


def test_files_that_cannot_be_used_are_named_all_together(folder: Path) -> None:
    (folder / "text.mp4").write_text("no video")
    short_clip(folder / "one.mp4", frames=1)
    cut_to_frames(BIKES, folder / "single", count=1)
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", folder / "sound.mkv")
    with pytest.raises(VideoSetError) as error:
        open_videos(folder)
    told = str(error.value)
    for fault in (r"text.mp4: it is no video", "one.mp4 has one frame", "single has one frame", "sound.mkv"):
        assert fault in told
    assert "clip-0" not in told
    assert "Replace or remove them" in told


def test_names_that_cannot_be_clips_and_links_that_lead_nowhere_are_named(
    folder: Path, clips: dict[str, Path]
) -> None:
    for name in ("two\nlines.mp4", "x" * 240 + ".mp4", "back\\slash.mp4", os.fsdecode(b"latin-\xe9.mp4")):
        shutil.copy(clips["clip-0"], folder / name)
    os.symlink("nowhere", folder / "gone.mp4")
    with pytest.raises(VideoSetError) as error:
        open_videos(folder)
    told = str(error.value)
    assert told.count("is no name for a clip") == 4
    assert "gone.mp4 is a link that leads nowhere" in told
    assert "\n" not in told
    told.encode()  # can be printed


def test_a_mended_folder_opens(folder: Path, clips: dict[str, Path]) -> None:
    (folder / "bad.mp4").write_text("no video")
    with pytest.raises(VideoSetError, match=r"bad\.mp4"):
        open_videos(folder)
    shutil.copy(clips["clip-4"], folder / "bad.mp4")
    assert "bad.mp4" in {video.id for video in open_videos(folder).manifest.videos}


def test_one_video_in_both_splits_is_refused(folder: Path) -> None:
    names = iter(f"copy-{k}.mp4" for k in range(100))
    other = next(name for name in names if split_of(name) != split_of("clip-0.MP4"))
    shutil.copy(folder / "clip-0.MP4", folder / other)
    with pytest.raises(VideoSetError, match="are the same video, and one would be"):
        open_videos(folder)


def test_a_video_that_changes_under_an_open_library_is_noticed(folder: Path, clips: dict[str, Path]) -> None:
    opened = open_videos(folder)
    shutil.copy(clips["clip-5"], folder / "clip-1.MP4")
    with pytest.raises(VideoSetError, match=r"clip-1\.MP4 has changed since its folder was opened"):
        opened.frames("clip-1.MP4", 32)


def test_a_video_that_is_removed_under_an_open_library_is_named(folder: Path) -> None:
    opened = open_videos(folder)
    (folder / "clip-1.MP4").unlink()
    with pytest.raises(VideoSetError, match=r"not on this machine: clip-1\.MP4\. Put them back"):
        opened.frames("clip-1.MP4", 32)


def test_a_folder_with_one_half_only_says_so_when_the_other_is_asked_for(
    home: Path, tmp_path: Path, clips: dict[str, Path]
) -> None:
    folder = tmp_path / "half"
    folder.mkdir()
    train = next(f"{k}.mp4" for k in range(100) if split_of(f"{k}.mp4") == "train")
    shutil.copy(clips["clip-0"], folder / train)
    opened = open_videos(folder)
    assert opened.ids("train") == (train,)
    with pytest.raises(VideoSetError, match=r"has no test clips\. Add videos"):
        opened.ids("test")


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (
            lambda path: path.symlink_to("/nowhere.png"),
            r"clip/9\.png is a link that leads nowhere: mend or remove it",
        ),
        (
            lambda path: path.mkdir(),
            r"clip/9\.png is a folder that is named like a file of frames: rename it",
        ),
        (lambda path: os.mkfifo(path), r"clip/9\.png is no regular file: remove it"),
    ],
    ids=["link", "folder", "pipe"],
)
def test_what_is_no_frame_in_a_frame_folder_is_named(
    home: Path, tmp_path: Path, plant: Callable[[Path], None], told: str
) -> None:
    cut_to_frames(CARPHONE, tmp_path / "videos" / "clip", pattern="%d.png", count=3)
    plant(tmp_path / "videos" / "clip" / "9.png")
    with pytest.raises(VideoSetError, match=told):
        open_videos(tmp_path / "videos")
