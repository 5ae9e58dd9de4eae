"""Where a clip's own video lies on this machine: downloaded, imported, or in the user's folder."""

from __future__ import annotations

import json
from pathlib import Path

from natural_mujoco.backgrounds.cache import Cache
from natural_mujoco.backgrounds.manifest import FolderSource, Manifest, Video


def find_source(manifest: Manifest, video: Video, cache: Cache) -> Path | None:
    """The video file or frame folder of a clip, or None if it is not on this machine."""
    if isinstance(manifest.source, FolderSource):
        path = Path(manifest.source.path) / video.id
        return path if path.exists() else None
    folder = cache.sources(manifest.collection)
    downloaded = folder / f"{video.id}.mp4"
    if downloaded.is_file():
        return downloaded
    try:
        linked = Path(json.loads((folder / f"{video.id}.link").read_bytes())["path"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return linked if linked.exists() else None
