"""Records about a clip's video: where it was downloaded or imported from, and its hash."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from natural_mujoco.backgrounds.cache import Cache, replacing
from natural_mujoco.backgrounds.manifest import Sha256
from natural_mujoco.backgrounds.obtain.decode import frame_files


class SourceRecord(BaseModel):
    """Where a downloaded video came from, and the size and hash of its file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    repo: str
    commit: str
    archive: str
    member: str
    bytes: int
    sha256: Sha256


def record_path(cache: Cache, shelf: str, clip_id: str) -> Path:
    """The file of a downloaded video's `SourceRecord`."""
    return cache.sources(shelf) / f"{clip_id}.json"


def read_record(cache: Cache, shelf: str, clip_id: str) -> SourceRecord | None:
    """The record of a downloaded video, or None if there is none that can be read."""
    try:
        return SourceRecord.model_validate_json(record_path(cache, shelf, clip_id).read_bytes())
    except (OSError, ValidationError):
        return None


def link_source(cache: Cache, shelf: str, clip_id: str, source: Path) -> None:
    """Records that the clip's video is `source`, outside the cache. Raises `VideoSetError` if it cannot be written."""
    with cache.lock(shelf, "sources", clip_id), replacing(cache.link(shelf, clip_id)) as file:
        file.write(json.dumps({"path": os.fspath(source.resolve())}).encode())


def file_sha256(source: Path) -> str:
    """The sha256 (hex) of a video file's bytes, or of a frame folder's file names and bytes."""
    if source.is_file():
        digest = hashlib.sha256()
        with open(source, "rb") as file:
            while block := file.read(2**20):
                digest.update(block)
        return digest.hexdigest()
    lines = (f"{file_sha256(frame)}  {frame.name}\n" for frame in frame_files(source))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
