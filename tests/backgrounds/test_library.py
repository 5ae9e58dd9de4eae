"""The library as an environment uses it: what `videos` means, clips prepared when asked for, frames shared and safe."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from natural_mujoco.backgrounds import EmbeddedVideosWarning, VideoLibrary, library, open_videos
from natural_mujoco.backgrounds.clip_file import frames_sha256
from natural_mujoco.backgrounds.manifest import load_manifest
from natural_mujoco.errors import InvalidArgument, VideoSetError

from .footage import CARPHONE
from .sets import files_under, prepared_under, write_manifest


@pytest.fixture
def street(home: Path, tmp_path: Path, clips: dict[str, Path]) -> Path:
    """A manifest of four clips in a folder beside it."""
    folder = tmp_path / "street"
    folder.mkdir()
    for clip_id in list(clips)[:4]:
        shutil.copy(clips[clip_id], folder / f"{clip_id}.mp4")
    ids = [f"{clip_id}.mp4" for clip_id in list(clips)[:4]]
    return write_manifest(tmp_path / "street.json", ids, {"kind": "folder", "path": "street"}, frames=24)


def prepared(library: VideoLibrary, clip_id: str, size: int) -> Path:
    """Where a clip's prepared frames lie."""
    return library.clip_path(library.video(clip_id), size)


def test_frames_are_prepared_when_they_are_asked_for_and_only_those(street: Path, home: Path) -> None:
    opened = open_videos(street)
    assert not home.exists() or not files_under(home)
    frames = opened.frames("clip-1.mp4", 32)
    assert (frames.shape, frames.dtype) == ((24, 32, 32, 3), np.uint8)
    assert list(prepared_under(home)) == [str(prepared(opened, "clip-1.mp4", 32).relative_to(home))]
    assert opened.is_prepared("clip-1.mp4", 32)
    assert not opened.is_prepared("clip-1.mp4", 64)
    assert not opened.is_prepared("clip-2.mp4", 32)


def test_the_prepared_file_is_a_plain_array_that_numpy_reads_without_pickle(street: Path, home: Path) -> None:
    opened = open_videos(street)
    frames = opened.frames("clip-0.mp4", 64)
    path = prepared(opened, "clip-0.mp4", 64)
    np.testing.assert_array_equal(np.load(path, allow_pickle=False), frames)


def test_frames_cannot_be_written_to(street: Path) -> None:
    frames = open_videos(street).frames("clip-0.mp4", 32)
    with pytest.raises(ValueError, match="read-only"):
        frames[0, 0, 0, 0] = 1


def test_libraries_of_one_process_share_one_mapping(street: Path) -> None:
    first, second = open_videos(street), open_videos(street)
    frames = first.frames("clip-0.mp4", 32)
    assert second.frames("clip-0.mp4", 32) is frames
    pickled = pickle.dumps(second)
    assert len(pickled) < frames.nbytes / 8  # names, not frames
    again = pickle.loads(pickled)
    assert again.frames("clip-0.mp4", 32) is frames
    assert (again.name, again.content_hash, again.argument) == (
        first.name,
        first.content_hash,
        first.argument,
    )


def test_ids_are_sorted_and_an_empty_half_is_refused(street: Path, tmp_path: Path) -> None:
    opened = open_videos(street)
    assert opened.ids("train") == ("clip-0.mp4", "clip-1.mp4", "clip-3.mp4")
    assert opened.ids("test") == ("clip-2.mp4",)
    with pytest.raises(InvalidArgument, match=r"Unknown split 'val'. Valid: train, test"):
        opened.ids("val")
    path = write_manifest(tmp_path / "half.json", ["a", "b"], {"kind": "folder", "path": "."})
    with pytest.raises(VideoSetError, match=r"street has no test clips\. Add videos"):
        open_videos(path).ids("test")


@pytest.mark.parametrize("size", [0, -3, 1025, 10**9, 64.0, True, "64", None])
def test_an_absurd_size_is_refused_before_anything_happens(street: Path, home: Path, size: object) -> None:
    with pytest.raises(InvalidArgument, match=r"is no frame size: give whole pixels from 1 to 1024"):
        open_videos(street).frames("clip-0.mp4", size)
    assert not home.exists() or not files_under(home)


def test_an_unknown_clip_is_refused(street: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"The video set street has no clip 'clip-9'"):
        open_videos(street).frames("clip-9", 64)


@pytest.mark.parametrize("videos", ["", 7, None, b""])
def test_what_is_neither_name_nor_path_is_refused(home: Path, videos: object) -> None:
    with pytest.raises(InvalidArgument, match="neither a set's name nor a path"):
        open_videos(videos)


def test_a_single_video_file_is_refused_with_the_remedy(home: Path) -> None:
    with pytest.raises(InvalidArgument, match="is one file: give the folder of videos"):
        open_videos(CARPHONE)


def test_a_missing_path_lists_the_sets(home: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"Unknown video set '.*nowhere'. Valid: .*ilsvrc-vid"):
        open_videos(tmp_path / "nowhere")


def test_auto_plays_the_embedded_clips_and_warns_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_warned", False)
    with pytest.warns(EmbeddedVideosWarning, match="natural-mujoco videos download ilsvrc-vid"):
        assert open_videos("auto").name == "embedded"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert open_videos("auto").name == "embedded"


def test_auto_plays_ilsvrc_once_all_its_clips_are_here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_warned", True)
    full = load_manifest("ilsvrc-vid")
    prepared = home / "clips" / "ilsvrc-vid" / "64"
    prepared.mkdir(parents=True)
    videos = home / "sources" / "ilsvrc-vid"
    videos.mkdir(parents=True)
    for k, video in enumerate(full.videos[1:]):
        (videos / f"{video.id}.mp4" if k % 2 else prepared / f"{video.id}.npy").touch()
    assert open_videos("auto").name == "embedded"
    (videos / f"{full.videos[0].id}.mp4").touch()
    assert open_videos("auto").name == "ilsvrc-vid"


def test_a_clip_that_is_not_here_names_the_command_that_gets_it(home: Path) -> None:
    for name, command in [
        ("ilsvrc-vid-mini", r"`natural-mujoco videos download ilsvrc-vid-mini`"),
        ("davis-2017", r"davischallenge\.org.*`natural-mujoco videos import davis-2017 --from DIR`"),
    ]:
        opened = open_videos(name)
        with pytest.raises(VideoSetError, match=command):
            opened.frames(opened.ids("train")[0], 64)


def test_embedded_clips_are_generated_as_pinned_at_any_size(home: Path) -> None:
    opened = open_videos("embedded")
    clip_id = opened.ids("test")[3]
    assert frames_sha256(opened.frames(clip_id, 64)) == opened.video(clip_id).sha256[64]
    assert opened.frames(clip_id, 17).shape == (500, 17, 17, 3)
    assert len(prepared_under(home)) == 2


def rewrite(path: Path, position: int, flip: int = 1) -> None:
    """Change a byte of a file in place."""
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ flip]))


def test_a_changed_byte_is_an_error_that_says_how_to_mend_it(street: Path, home: Path) -> None:
    open_videos(street).frames("clip-0.mp4", 32)
    rewrite(prepared(open_videos(street), "clip-0.mp4", 32), 5000)
    message = r"clip-0\.mp4 at 32 px are not what was recorded.*natural-mujoco videos verify .*street\.json"
    with pytest.raises(VideoSetError, match=message):
        open_videos(street).frames("clip-0.mp4", 32)


@pytest.mark.parametrize("damage", ["cut", "longer", "header", "empty", "pickle"])
def test_a_damaged_file_is_an_error_and_is_never_unpickled(street: Path, home: Path, damage: str) -> None:
    open_videos(street).frames("clip-0.mp4", 32)
    path = prepared(open_videos(street), "clip-0.mp4", 32)
    if damage == "cut":
        os.truncate(path, 128 + 2 * 32 * 32 * 3 + 5)
    elif damage == "longer":
        path.write_bytes(path.read_bytes() + b"\0" * 100)
    elif damage == "header":
        rewrite(path, 60)
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        canary = home / "unpickled"
        objects = np.empty(1, object)
        objects[0] = _Canary(canary)
        np.save(path, objects, allow_pickle=True)
    with pytest.raises(
        VideoSetError, match=r"is damaged: it is no whole clip of 32×32 frames.*videos verify"
    ):
        open_videos(street).frames("clip-0.mp4", 32)
    assert not (home / "unpickled").exists()


class _Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


def test_a_whole_clip_swapped_for_another_is_noticed(street: Path, home: Path) -> None:
    opened = open_videos(street)
    for clip_id in ("clip-0.mp4", "clip-1.mp4"):
        opened.frames(clip_id, 32)
    os.replace(prepared(opened, "clip-1.mp4", 32), prepared(opened, "clip-0.mp4", 32))
    with pytest.raises(VideoSetError, match="not what was recorded"):
        open_videos(street).frames("clip-0.mp4", 32)


def test_the_first_preparation_is_recorded_and_later_ones_are_held_to_it(
    street: Path, home: Path, tmp_path: Path, clips: dict[str, Path]
) -> None:
    first = frames_sha256(open_videos(street).frames("clip-0.mp4", 32))
    opened = open_videos(street)
    recorded = json.loads(opened.pins.path.read_text())
    assert recorded == {opened.key(opened.video("clip-0.mp4")): {"32": first}}
    shutil.rmtree(home / "clips")
    assert frames_sha256(open_videos(street).frames("clip-0.mp4", 32)) == first
    shutil.rmtree(home / "clips")
    shutil.copy(clips["clip-5"], tmp_path / "street" / "clip-0.mp4")
    with pytest.raises(
        VideoSetError, match=r"gives other frames .* than recorded in .*pins/street@\w+\.json"
    ):
        open_videos(street).frames("clip-0.mp4", 32)
    assert not prepared_under(home)


def test_a_hash_in_the_manifest_binds_the_first_preparation(street: Path, home: Path) -> None:
    content = json.loads(street.read_text())
    content["videos"][0]["sha256"] = {"32": "0" * 64}
    street.write_text(json.dumps(content))
    with pytest.raises(VideoSetError, match=r"clip-0\.mp4 at 32 px gives other frames .* in the manifest"):
        open_videos(street).frames("clip-0.mp4", 32)
    assert not prepared_under(home)
    open_videos(street).frames("clip-0.mp4", 33)  # other sizes are not pinned


def test_a_damaged_lock_file_is_named(street: Path, home: Path) -> None:
    open_videos(street).frames("clip-0.mp4", 32)
    open_videos(street).pins.path.write_text("{")
    with pytest.raises(
        VideoSetError, match=r"The lock file .*street@\w+\.json is damaged\. Restore it, or delete it"
    ):
        open_videos(street).frames("clip-1.mp4", 32)


def test_a_video_shorter_than_its_manifest_says_is_refused(street: Path, home: Path) -> None:
    content = json.loads(street.read_text())
    for video, frames in zip(content["videos"], (26, 27, 24, 10), strict=True):
        video["frames"] = frames
    street.write_text(json.dumps(content))
    opened = open_videos(street)
    assert len(opened.frames("clip-0.mp4", 16)) == 24  # a frame or two less is how copies differ
    assert len(opened.frames("clip-3.mp4", 16)) == 10  # and more are left out
    with pytest.raises(VideoSetError, match=r"clip-1\.mp4 has 24 frames, and street says 27"):
        opened.frames("clip-1.mp4", 16)


def test_a_copied_cache_works_on_another_machine(street: Path, home: Path, tmp_path: Path) -> None:
    frames = open_videos(street).frames("clip-0.mp4", 32)
    moved = tmp_path / "moved"
    shutil.copytree(home, moved)
    copy = VideoLibrary(open_videos(street).manifest, type(open_videos(street).cache)(moved))
    np.testing.assert_array_equal(copy.frames("clip-0.mp4", 32), frames)
