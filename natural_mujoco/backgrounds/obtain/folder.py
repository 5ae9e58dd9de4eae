"""A user's own folder of videos as a video set.

The clips are the video files (mp4, avi, mov, mkv, webm) and the folders of frames (jpg, png) directly inside
the folder. A clip's id is its file name, and the sha256 of that name decides its split; about one in three is in test.
Other files are ignored.

Every video is opened and hashed when the folder is first used. The results are kept in the cache, so that opening the
folder again only compares names, sizes and times.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from natural_mujoco.backgrounds.cache import Cache, replacing
from natural_mujoco.backgrounds.manifest import FolderSource, Manifest, Sha256, Video
from natural_mujoco.backgrounds.obtain.decode import (
    FRAME_SUFFIXES,
    VIDEO_SUFFIXES,
    check_readable,
    frame_files,
)
from natural_mujoco.backgrounds.obtain.preparing_process import PreparingProcess
from natural_mujoco.backgrounds.obtain.sources import file_sha256
from natural_mujoco.errors import VideoSetError


def split_of(file_name: str) -> Literal["train", "test"]:
    """The split of a clip, decided only by its file name, so that it is the same on every machine.

    >>> split_of("street.mp4"), split_of("bikes.mp4")
    ('train', 'test')
    """
    name = unicodedata.normalize("NFC", file_name)  # macOS returns names in decomposed form
    return "test" if int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % 3 == 0 else "train"


class _Seen(BaseModel):
    """A clip that was opened before. If its `stamp` has changed, the file has."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    stamp: str
    sha256: Sha256


class _Index(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    clips: dict[str, _Seen]


def folder_manifest(folder: Path, cache: Cache) -> Manifest:
    """The manifest of a folder of videos, named after it.

    Raises `VideoSetError` if the folder cannot be read or holds no videos, if files cannot be decoded or have fewer
    than two frames (the message names them), and if the same video is in both splits under two names.
    """
    folder = folder.resolve()
    clips = _clips_in(folder)
    index = cache.home / "folders" / f"{hashlib.sha256(str(folder).encode()).hexdigest()[:32]}.json"
    before = _read_index(index)
    seen: dict[str, _Seen] = {}
    faults: list[str] = []
    with PreparingProcess() as process:  # started only if there is a video not seen before
        for path in clips:
            if fault := _fault_without_decoding(path):
                faults.append(fault)
                continue
            stamp = _stamp(path)
            if path.name in before and before[path.name].stamp == stamp:
                seen[path.name] = before[path.name]
                continue
            try:
                count = process.count_first_frames(path)
                if count == 0:
                    faults.append(f"{path.name} has no frame that can be decoded")
                elif count == 1:
                    faults.append(f"{path.name} has one frame, and a background needs at least two")
                else:
                    seen[path.name] = _Seen(stamp=stamp, sha256=file_sha256(path))
            except VideoSetError as error:
                faults.append(str(error).rstrip("."))
            except OSError as error:
                faults.append(f"{path.name} cannot be read: {error.strerror}")
    if seen != before:
        _write_index(index, _Index(clips=seen), cache)
    if faults:
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise VideoSetError(
            f"Videos in {folder} cannot be used: {'; '.join(faults[:5])}{more}. Replace or remove them."
        )
    videos = tuple(
        Video(id=name, split=split_of(name), file_sha256=seen[name].sha256) for name in sorted(seen)
    )
    _refuse_twins(videos)
    slug = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:60].strip("-") or "videos"
    return Manifest(
        name=slug,
        description=f"The videos in {folder}.",
        licence="Your own videos, under their own terms.",
        collection="files",
        source=FolderSource(path=str(folder)),
        videos=videos,
    )


def _clips_in(folder: Path) -> list[Path]:
    try:
        entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        clips = [
            path
            for path in entries
            if (path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir())
            or (path.is_dir() and frame_files(path))
        ]
    except OSError as error:
        raise VideoSetError(f"Cannot read the folder {error.filename}: {error.strerror}.") from error
    if clips:
        return clips
    if any(path.suffix.lower() in FRAME_SUFFIXES for path in entries):
        raise VideoSetError(
            f"{folder} holds frames itself: give the folder above it, in which each folder of frames is one clip."
        )
    found = f" (it holds {', '.join(path.name for path in entries[:3])})" if entries else " (it is empty)"
    raise VideoSetError(
        f"{folder} holds no videos{found}: put mp4, avi, mov, mkv or webm files, or folders of jpg or png frames, "
        "in it."
    )


def _fault_without_decoding(path: Path) -> str:
    try:
        Video(id=path.name, split=split_of(path.name))
    except (ValidationError, UnicodeEncodeError):
        return f"{path.name!r} is no name for a clip (at most 200 bytes of UTF-8, no backslashes, no line breaks)"
    for file in frame_files(path) if path.is_dir() else [path]:
        if not file.is_file():
            try:
                check_readable(file)
            except VideoSetError as error:
                return str(error).rstrip(".")
    return ""


def _stamp(path: Path) -> str:
    files: Sequence[Path] = [path] if path.is_file() else frame_files(path)
    digest = hashlib.sha256()
    for file in files:
        status = file.stat()
        digest.update(f"{file.name}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ino}\n".encode())
    return digest.hexdigest()


def _refuse_twins(videos: tuple[Video, ...]) -> None:
    first: dict[str, Video] = {}
    for video in videos:
        twin = first.setdefault(video.file_sha256 or video.id, video)
        if twin.split != video.split:
            raise VideoSetError(
                f"{twin.id} and {video.id} are the same video, and one would be {twin.split}, the other "
                f"{video.split}: remove one of them."
            )


def _read_index(path: Path) -> dict[str, _Seen]:
    try:
        return _Index.model_validate_json(path.read_bytes()).clips
    except (OSError, ValidationError):
        return {}  # everything in it can be computed again


def _write_index(path: Path, index: _Index, cache: Cache) -> None:
    try:
        with cache.lock("folders", path.stem), replacing(path) as file:
            file.write(index.model_dump_json().encode())
    except VideoSetError:
        return  # opening the folder is then slower; an error comes only if frames cannot be written
