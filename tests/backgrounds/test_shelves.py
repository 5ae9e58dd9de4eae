"""No manifest plays its clips into another set, and no clip is in both halves of one."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from natural_mujoco.backgrounds import Manifest, VideoLibrary, frames_sha256, load_manifest, open_videos
from natural_mujoco.backgrounds.cache import Cache
from natural_mujoco.backgrounds.shelves import shelf_of
from natural_mujoco.errors import VideoSetError

from .sets import run_script, write_manifest

FOLDER = {"kind": "folder", "path": "clips"}


@pytest.fixture
def folder(home: Path, tmp_path: Path, clips: dict[str, Path]) -> Path:
    """A folder `clips` of three videos."""
    (tmp_path / "clips").mkdir()
    for clip_id in list(clips)[:3]:
        shutil.copy(clips[clip_id], tmp_path / "clips" / f"{clip_id}.mp4")
    return tmp_path


def manifest(folder: Path, name: str, ids: list[str], **more: object) -> Path:
    """A manifest file `name` of clips, all of them train clips but the last."""
    path = write_manifest(folder / f"{name}.json", ids, FOLDER)
    videos = [{"id": k, "split": "test" if k == ids[-1] else "train"} for k in ids]
    path.write_text(json.dumps({**json.loads(path.read_text()), "name": name, "videos": videos, **more}))
    return path


@pytest.mark.parametrize("collection", ["embedded", "ilsvrc-vid", "davis-2017", "files"])
def test_a_manifest_that_names_anothers_collection_fills_no_shelf_of_it(
    folder: Path, collection: str
) -> None:
    official = open_videos(collection) if collection != "files" else None
    name = official.ids("train")[0] if official else "0" * 64
    shutil.copy(folder / "clips" / "clip-0.mp4", folder / "clips" / name)
    ids = sorted(["clip-1.mp4", name])
    hostile = open_videos(manifest(folder, "mine", ids, collection=collection))
    hostile.frames(name, 16)
    assert hostile.shelf.name.startswith(f"{collection}@")
    if official is None:
        assert not (hostile.cache.home / "clips" / "files").exists()
        return
    assert official.shelf.name == collection
    assert not official.is_prepared(name, 16)
    assert official.pinned(official.video(name), 16) is None
    if collection == "embedded":
        assert frames_sha256(official.frames(name, 16)) != frames_sha256(hostile.frames(name, 16))


def test_sets_share_clips_of_one_source_and_length_alone(folder: Path) -> None:
    ids = ["clip-0.mp4", "clip-1.mp4", "clip-2.mp4"]
    first = open_videos(manifest(folder, "first", ids, collection="rivers"))
    second = open_videos(manifest(folder, "second", ids, collection="rivers"))
    shorter = [{"id": k, "split": "train", "frames": 2} for k in ids]
    third = open_videos(manifest(folder, "third", ids, collection="rivers", videos=shorter))
    elsewhere = open_videos(
        manifest(folder, "fourth", ids, collection="rivers", source={"kind": "local", "obtain": "Ask."})
    )
    assert len(third.frames("clip-0.mp4", 16)) == 2
    frames = first.frames("clip-0.mp4", 16)
    assert len(frames) == 24
    assert second.frames("clip-0.mp4", 16) is frames
    assert not elsewhere.is_prepared("clip-0.mp4", 16)


def test_a_cache_that_knew_one_shelf_a_collection_still_plays(folder: Path) -> None:
    ids = ["clip-0.mp4", "clip-1.mp4", "clip-2.mp4"]
    path = manifest(folder, "rivers", ids)
    opened = open_videos(path)
    frames = np.array(opened.frames("clip-0.mp4", 16))
    home = opened.cache.home
    for kind in ("clips", "pins"):  # as the version before would have named them
        for old in (home / kind).glob("rivers@*"):
            old.rename(old.with_name(old.name.replace(opened.shelf.name, "rivers")))
    again = open_videos(path)
    assert again.shelf.name == "rivers"
    assert again.is_prepared("clip-0.mp4", 16)
    np.testing.assert_array_equal(again.frames("clip-0.mp4", 16), frames)


def test_parts_and_the_shipped_sets_themselves_keep_their_shelf(home: Path) -> None:
    full, mini = load_manifest("ilsvrc-vid"), load_manifest("ilsvrc-vid-mini")
    part = Manifest.model_validate({**full.model_dump(), "name": "part", "videos": full.videos[3:]})
    assert {shelf_of(m, Cache()).name for m in (full, mini, part)} == {"ilsvrc-vid"}
    shortened = [video.model_copy(update={"frames": 2}) for video in full.videos]
    mirror = {"kind": "hub", "repo": "evil/copy", "archives": full.source.archives}  # type: ignore[union-attr]
    for change in ({"videos": shortened}, {"source": mirror}):
        changed = Manifest.model_validate({**full.model_dump(), **change})
        assert shelf_of(changed, Cache()).name.startswith("ilsvrc-vid@")


def test_a_shipped_sets_name_is_not_for_others(folder: Path) -> None:
    path = manifest(folder, "embedded", ["clip-0.mp4", "clip-1.mp4"])
    with pytest.raises(
        VideoSetError, match=r"calls itself embedded, which is the name of a set that comes with"
    ):
        open_videos(path)


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (["Elbe.mp4", "elbe.mp4"], "differ in case or Unicode form alone"),
        (["e\u0301.mp4", "\u00e9.mp4"], "differ in case or Unicode form alone"),
        (["a\u202egpj.mp4", "b.mp4"], "invisible characters"),
        (["a\u200b.mp4", "b.mp4"], "invisible characters"),
        (["a\u0085.mp4", "b.mp4"], "invisible characters"),
    ],
)
def test_ids_that_look_like_others_are_refused(folder: Path, ids: list[str], told: str) -> None:
    with pytest.raises(VideoSetError, match=told):
        open_videos(manifest(folder, "rivers", sorted(ids)))


@pytest.mark.parametrize("kind", ["hash", "copy", "link", "hard link"])
def test_a_clip_in_both_halves_under_two_names_is_refused(folder: Path, kind: str) -> None:
    first, second = folder / "clips" / "clip-0.mp4", folder / "clips" / "test.mp4"
    {"copy": shutil.copy, "link": os.symlink, "hard link": os.link, "hash": shutil.copy}[kind](first, second)
    path = manifest(folder, "rivers", ["clip-0.mp4", "test.mp4"])
    if kind == "hash":
        content = json.loads(path.read_text())
        for video in content["videos"]:
            video["sha256"] = {"16": "0" * 64}
        path.write_text(json.dumps(content))
        with pytest.raises(
            VideoSetError, match=r"clip-0\.mp4 \(train\) and test\.mp4 \(test\) have the same hash"
        ):
            open_videos(path)
        return
    opened = open_videos(path)
    opened.frames("clip-0.mp4", 16)
    with pytest.raises(
        VideoSetError, match=r"clip-0\.mp4 \(train\) and test\.mp4 \(test\) of rivers show the same"
    ):
        opened.frames("test.mp4", 16)
    with pytest.raises(VideoSetError, match=r"show the same frames"):
        open_videos(path).frames("clip-0.mp4", 16)


def test_machines_that_show_the_same_frames_have_one_hash(folder: Path, tmp_path: Path) -> None:
    path = manifest(folder, "rivers", ["clip-0.mp4", "clip-1.mp4"])
    opened = open_videos(path)
    opened.frames("clip-0.mp4", 16)
    assert opened.frames_hash(16) is None
    assert opened.frames_hash(16, "train") is not None
    opened.frames("clip-1.mp4", 16)
    elsewhere = VideoLibrary(opened.manifest, Cache(tmp_path / "elsewhere"))
    shutil.copy(
        folder / "clips" / "clip-2.mp4", folder / "clips" / "clip-1.mp4"
    )  # another video under its name
    for clip_id in ("clip-0.mp4", "clip-1.mp4"):
        elsewhere.frames(clip_id, 16)
    assert elsewhere.content_hash == opened.content_hash
    assert elsewhere.frames_hash(16, "train") == opened.frames_hash(16, "train")
    assert elsewhere.frames_hash(16) != opened.frames_hash(16)


def test_more_clips_can_be_played_than_descriptors_are_granted(folder: Path) -> None:
    code = """
import os, resource, sys
from pathlib import Path
import numpy as np
from natural_mujoco.backgrounds import open_videos
from natural_mujoco.backgrounds.manifest import FolderSource, Manifest, Video
from natural_mujoco.backgrounds.library import VideoLibrary
from natural_mujoco.backgrounds.obtain.clip_writer import write_clip
ids = [f"clip{k:03}" for k in range(120)]
manifest = Manifest(name="many", collection="many", source=FolderSource(path="/nowhere"),
                    videos=[Video(id=i, split="train" if k % 2 else "test") for k, i in enumerate(ids)])
libraries = [VideoLibrary(manifest) for _ in range(2)]
for k, i in enumerate(ids):
    path = libraries[0].clip_path(libraries[0].video(i), 4)
    write_clip(path, iter([np.full((2, 4, 4, 3), k, np.uint8)]), 4, lambda sha256, count: None)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
for library in libraries:
    assert [int(library.frames(i, 4)[0, 0, 0, 0]) for i in ids] == list(range(120))
held = [libraries[0].frames(i, 4) for i in ids]  # as so many environments in one process would
assert [int(frames[1, 3, 3, 2]) for frames in held] == list(range(120))
"""
    done = run_script(code, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0, done.stderr
