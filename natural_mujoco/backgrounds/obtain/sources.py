"""Where a clip's own video lies on this machine: downloaded, imported, or in the user's folder.

A downloaded video is `sources/<collection>/<clip>.mp4`; of an imported one only the path is kept, in
`<clip>.link`, so that importing a whole ILSVRC tree copies nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from natural_mujoco.backgrounds.cache import Cache, replacing
from natural_mujoco.backgrounds.manifest import FolderSource, Manifest, Sha256, Video
from natural_mujoco.backgrounds.obtain.decode import frame_files


def find_source(manifest: Manifest, video: Video, cache: Cache) -> Path | None:
    """The video file or frame folder of a clip, or None if it is not on this machine."""
    if isinstance(manifest.source, FolderSource):
        path = Path(manifest.source.path) / video.id
        return path if path.exists() else None
    downloaded = downloaded_path(cache, manifest.collection, video.id)
    if downloaded.is_file():
        return downloaded
    try:
        linked = Path(json.loads(_link(cache, manifest.collection, video.id).read_bytes())["path"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return linked if linked.exists() else None


def downloaded_path(cache: Cache, collection: str, clip_id: str) -> Path:
    """Where a downloaded clip's video lies, or will."""
    return cache.sources(collection) / f"{clip_id}.mp4"


class SourceRecord(BaseModel):
    """Where a downloaded video came from, and what its bytes hash to."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    repo: str
    commit: str
    archive: str
    member: str
    bytes: int
    sha256: Sha256


def record_path(cache: Cache, collection: str, clip_id: str) -> Path:
    """Where the `SourceRecord` of a downloaded video lies."""
    return cache.sources(collection) / f"{clip_id}.json"


def read_record(cache: Cache, collection: str, clip_id: str) -> SourceRecord | None:
    """The record of a downloaded video, or None if there is none that can be read."""
    try:
        return SourceRecord.model_validate_json(record_path(cache, collection, clip_id).read_bytes())
    except (OSError, ValidationError):
        return None


def link_source(cache: Cache, collection: str, clip_id: str, source: Path) -> None:
    """Remember that the clip's own video is `source`, outside the cache. Raises `VideoSetError` if it cannot."""
    with (
        cache.lock(collection, "sources", clip_id),
        replacing(_link(cache, collection, clip_id)) as file,
    ):
        file.write(json.dumps({"path": os.fspath(source.resolve())}).encode())


def file_sha256(source: Path) -> str:
    """sha256 (hex) of a video file's bytes, or of a frame folder's names and bytes, read a piece at a time."""
    if source.is_file():
        digest = hashlib.sha256()
        with open(source, "rb") as file:
            while block := file.read(2**20):
                digest.update(block)
        return digest.hexdigest()
    lines = (f"{file_sha256(frame)}  {frame.name}\n" for frame in frame_files(source))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _link(cache: Cache, collection: str, clip_id: str) -> Path:
    return cache.sources(collection) / f"{clip_id}.link"
