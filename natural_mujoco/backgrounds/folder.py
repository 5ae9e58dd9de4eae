"""A user's own folder of videos as a video set.

The clips are the video files (mp4, avi, mov, mkv, webm) and the folders of frames (jpg, png) directly inside
the folder. A clip's id is its file name; sha256 of that name decides its split, about two thirds train.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path
from typing import Literal

from natural_mujoco.backgrounds.cache import Cache
from natural_mujoco.backgrounds.decode import VIDEO_SUFFIXES, frame_files
from natural_mujoco.backgrounds.manifest import FolderSource, Manifest, Video
from natural_mujoco.errors import VideoSetError


def split_of(file_name: str) -> Literal["train", "test"]:
    """`"train"` or `"test"` for a clip, by its file name alone, the same on every machine."""
    name = unicodedata.normalize("NFC", file_name)  # macOS hands names back decomposed
    return "test" if int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % 3 == 0 else "train"


def folder_manifest(folder: Path, cache: Cache) -> Manifest:
    """The manifest of a folder of videos.

    Raises `VideoSetError` if the folder holds no videos, or naming the files that are none.
    """
    folder = folder.resolve()
    clips = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if (path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES) or (
            path.is_dir() and frame_files(path)
        ):
            clips.append(path)
    if not clips:
        raise VideoSetError(
            f"{folder} holds no videos: put mp4, avi, mov, mkv or webm files in it, "
            "or folders of jpg or png frames."
        )
    slug = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:60] or "videos"
    videos = [Video(id=p.name, split=split_of(p.name), file_sha256=_source_sha256(p)) for p in clips]
    return Manifest(
        name=slug,
        collection="files",
        licence="Your own videos: their terms are yours to know.",
        source=FolderSource(path=str(folder)),
        videos=tuple(sorted(videos, key=lambda v: v.id)),
    )


def _source_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    for part in [path] if path.is_file() else frame_files(path):
        with open(part, "rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()
