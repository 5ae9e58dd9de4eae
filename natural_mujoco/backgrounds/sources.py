"""Finds a clip's video on this machine: downloaded, imported, or in the user's folder.

A downloaded video is `sources/<shelf>/<clip>.mp4`. For an imported one only the path is stored, in `<clip>.link`, so
that importing a whole ILSVRC tree copies nothing.
"""

from __future__ import annotations

from pathlib import Path

from natural_mujoco.backgrounds.cache import Cache
from natural_mujoco.backgrounds.manifest import FolderSource, Manifest, Video
from natural_mujoco.errors import FileError
from natural_mujoco.files import read_json


def find_source(manifest: Manifest, video: Video, cache: Cache, shelf: str) -> Path | None:
    """The video file or frame folder of a clip, or `None` if it is not on this machine."""
    if isinstance(manifest.source, FolderSource):
        path = Path(manifest.source.path) / video.id
        return path if path.exists() else None
    downloaded = cache.downloaded(shelf, video.id)
    if downloaded.is_file():
        return downloaded
    try:
        linked = Path(read_json(cache.link(shelf, video.id))["path"])
    except (FileError, OSError, LookupError, TypeError):
        return None
    return linked if linked.exists() else None
