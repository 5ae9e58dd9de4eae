"""Importing from trees as people have them: ILSVRC frames and snippets, VidVRD mp4s, DAVIS frames."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from natural_mujoco.backgrounds import open_videos
from natural_mujoco.backgrounds.cache import Cache
from natural_mujoco.backgrounds.library import VideoLibrary
from natural_mujoco.backgrounds.obtain.importing import find_clips, import_clips
from natural_mujoco.errors import InvalidArgument, VideoSetError

from .footage import BIKES, cut_to_frames
from .sets import write_manifest

IDS = ["ILSVRC2015_train_00005003", "ILSVRC2015_train_00010001", "ILSVRC2015_val_00007000"]
HUB = {"kind": "hub", "repo": "a/b", "archives": ["x.zip"]}


@pytest.fixture
def manifest(home: Path, tmp_path: Path) -> Path:
    """A set of three ILSVRC clips."""
    return write_manifest(tmp_path / "set.json", IDS, HUB, frames=24)


@pytest.fixture
def ilsvrc(tmp_path: Path, clips: dict[str, Path]) -> Path:
    """A small ILSVRC tree: frames of all three clips, neighbours, annotations."""
    tree = tmp_path / "ILSVRC2015"
    train = tree / "Data" / "VID" / "train" / "ILSVRC2015_VID_train_0000"
    cut_to_frames(clips["clip-0"], train / IDS[0], count=24)
    cut_to_frames(clips["clip-1"], train / IDS[1], count=24)
    cut_to_frames(clips["clip-2"], tree / "Data" / "VID" / "val" / IDS[2], count=24)
    cut_to_frames(clips["clip-3"], train / "ILSVRC2015_train_00005004", count=24)
    annotations = tree / "Annotations" / "VID" / "train" / IDS[0]
    annotations.mkdir(parents=True)
    (annotations / "000000.xml").write_text("<annotation/>")
    return tree


def test_frames_of_an_ilsvrc_tree_are_found_and_played(manifest: Path, ilsvrc: Path) -> None:
    done = import_clips(open_videos(manifest).manifest, ilsvrc, Cache())
    assert (done.linked, done.missing) == (tuple(IDS), ())
    assert done.manifest.content_hash == open_videos(manifest).content_hash
    assert open_videos(manifest).frames(IDS[2], 32).shape == (24, 32, 32, 3)


def test_nothing_is_copied(manifest: Path, ilsvrc: Path, home: Path) -> None:
    import_clips(open_videos(manifest).manifest, ilsvrc, Cache())
    assert sum(path.stat().st_size for path in home.rglob("*") if path.is_file()) < 10_000


def test_videos_go_before_frames_and_shallow_before_deep(
    ilsvrc: Path, clips: dict[str, Path], tmp_path: Path
) -> None:
    snippets = ilsvrc / "Data" / "VID" / "snippets" / "train" / "ILSVRC2015_VID_train_0000"
    snippets.mkdir(parents=True)
    shutil.copy(clips["clip-0"], snippets / f"{IDS[0]}.mp4")
    assert find_clips(ilsvrc, IDS)[IDS[0]] == snippets / f"{IDS[0]}.mp4"
    shutil.copy(clips["clip-0"], ilsvrc / f"{IDS[0]}.mp4")
    assert find_clips(ilsvrc, IDS)[IDS[0]] == ilsvrc / f"{IDS[0]}.mp4"


def test_a_flat_folder_of_mp4s_beside_pictures_is_searched_whole(
    manifest: Path, tmp_path: Path, clips: dict[str, Path]
) -> None:
    folder = tmp_path / "vidvrd"
    folder.mkdir()
    for k, clip_id in enumerate(IDS):
        shutil.copy(clips[f"clip-{k}"], folder / f"{clip_id}.mp4")
    for k in range(40):
        (folder / f"{k:03}.jpg").write_bytes(b"a thumbnail")
    done = import_clips(open_videos(manifest).manifest, folder, Cache())
    assert done.missing == ()
    frames = open_videos(manifest).frames(IDS[0], 32)
    assert frames.shape == (24, 32, 32, 3)


def test_davis_frames_are_taken_at_480p_and_never_the_masks(home: Path, tmp_path: Path) -> None:
    tree = tmp_path / "DAVIS"
    small = cut_to_frames(BIKES, tree / "JPEGImages" / "480p" / "bear", pattern="%05d.jpg", count=5)
    cut_to_frames(BIKES, tree / "JPEGImages" / "Full-Resolution" / "bear", pattern="%05d.jpg", count=5)
    cut_to_frames(BIKES, tree / "Annotations" / "480p" / "bear", pattern="%05d.png", count=5)
    assert find_clips(tree, ["bear"]) == {"bear": small}


def test_missing_clips_are_named_and_nothing_is_imported(manifest: Path, ilsvrc: Path, home: Path) -> None:
    shutil.rmtree(ilsvrc / "Data" / "VID" / "val")
    with pytest.raises(
        VideoSetError, match=rf"1 of the 3 clips of street do not lie under .*: {IDS[2]}\. .*allow"
    ):
        import_clips(open_videos(manifest).manifest, ilsvrc, Cache())
    assert len(open_videos(manifest).missing()) == 3


def test_with_allow_missing_the_rest_is_another_set(manifest: Path, ilsvrc: Path) -> None:
    shutil.rmtree(ilsvrc / "Data" / "VID" / "val")
    whole = open_videos(manifest)
    done = import_clips(whole.manifest, ilsvrc, Cache(), allow_missing=True)
    assert done.missing == (IDS[2],)
    assert done.manifest.content_hash != whole.content_hash
    assert done.manifest.name == f"street-partial-{done.manifest.content_hash[:8]}"
    partial = open_videos(done.manifest.name)  # found by its name from now on
    assert partial.manifest == done.manifest
    assert partial.ids("train") == tuple(IDS[:2])
    partial.frames(IDS[0], 32)
    with pytest.raises(VideoSetError, match="not on this machine"):
        whole.frames(IDS[2], 32)


def test_an_import_can_be_completed_from_a_second_tree(manifest: Path, ilsvrc: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    shutil.move(ilsvrc / "Data" / "VID" / "val" / IDS[2], other / IDS[2])
    import_clips(open_videos(manifest).manifest, other, Cache(), allow_missing=True)
    done = import_clips(open_videos(manifest).manifest, ilsvrc, Cache())
    assert done.missing == ()
    assert open_videos(manifest).missing() == []


def test_frames_and_their_mp4_give_the_same_clip_but_for_compression(
    home: Path, tmp_path: Path, clips: dict[str, Path]
) -> None:
    for k, form in enumerate(("frames", "video")):
        tree = tmp_path / form
        tree.mkdir()
        if form == "frames":
            cut_to_frames(clips["clip-0"], tree / "a", count=24)
        else:
            shutil.copy(clips["clip-0"], tree / "a.mp4")
        path = write_manifest(tmp_path / f"{k}.json", ["a"], HUB, name=f"set-{k}")
        import_clips(open_videos(path).manifest, tree, Cache())
    frames = open_videos(tmp_path / "0.json").frames("a", 32).astype(int)
    video = open_videos(tmp_path / "1.json").frames("a", 32).astype(int)
    assert np.abs(frames - video).mean() < 2


def test_a_tree_without_any_of_the_clips_says_what_a_clip_looks_like(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    with pytest.raises(VideoSetError, match=rf"None of the 3 clips .*such as {IDS[0]}\.mp4 or a folder"):
        import_clips(open_videos(manifest).manifest, tmp_path / "tree", Cache(), allow_missing=True)


def test_what_cannot_be_imported_is_refused(home: Path, manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="is no folder"):
        import_clips(open_videos(manifest).manifest, tmp_path / "nowhere", Cache())
    with pytest.raises(InvalidArgument, match="embedded needs no import"):
        import_clips(open_videos("embedded").manifest, tmp_path, Cache())


def test_links_in_a_tree_do_not_lead_the_search_in_circles(manifest: Path, ilsvrc: Path) -> None:
    os.symlink(ilsvrc, ilsvrc / "Data" / "again")
    assert set(find_clips(ilsvrc, IDS)) == set(IDS)


def test_a_moved_tree_is_noticed(manifest: Path, ilsvrc: Path, tmp_path: Path) -> None:
    import_clips(open_videos(manifest).manifest, ilsvrc, Cache())
    ilsvrc.rename(tmp_path / "moved")
    library: VideoLibrary = open_videos(manifest)
    with pytest.raises(VideoSetError, match=r"not on this machine: ILSVRC2015_train_00005003"):
        library.frames(IDS[0], 32)
    import_clips(library.manifest, tmp_path / "moved", Cache())
    assert library.frames(IDS[0], 32).shape == (24, 32, 32, 3)
