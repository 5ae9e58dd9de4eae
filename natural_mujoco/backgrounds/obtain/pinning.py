"""Writes the lock file, by which later downloads and preparations must agree with the first ones.

- `hold_to_record`: compares a clip's hash with the manifest and the lock file, and records it if it is new.
- `hold_to_commit`: does the same for the commit that a dataset's revision names.
"""

from __future__ import annotations

import json

from natural_mujoco.backgrounds.cache import replacing
from natural_mujoco.backgrounds.library import VideoLibrary
from natural_mujoco.backgrounds.manifest import Video
from natural_mujoco.backgrounds.pins import REVISIONS


def hold_to_record(library: VideoLibrary, video: Video, size: int, sha256: str) -> str | None:
    """Records `sha256` if the clip has no hash yet; returns the hash that it must have if that is another, else `None`.

    Raises `VideoSetError` if the lock file is damaged or cannot be written.
    """
    if library.pinned(video, size) is None:
        with library.cache.lock("pins", library.shelf.name):
            pins = library.pins.all()
            key = library.key(video)
            if size not in pins.get(key, {}):
                pins = {**pins, key: {**pins.get(key, {}), size: sha256}}
                _write(library, pins, library.pins.commits())
    expected = library.pinned(video, size)
    return None if expected == sha256 else expected


def hold_to_commit(library: VideoLibrary, repo: str, revision: str, commit: str) -> str:
    """The commit to which `revision` of `repo` was first resolved on this machine; records `commit` if it is new.

    Raises `VideoSetError` if the lock file is damaged or cannot be written.
    """
    name = f"{repo}@{revision}"
    with library.cache.lock("pins", library.shelf.name):
        commits = library.pins.commits()
        if name not in commits:
            _write(library, library.pins.all(), {**commits, name: commit})
    return library.pins.commits()[name]


def _write(library: VideoLibrary, pins: dict[str, dict[int, str]], commits: dict[str, str]) -> None:
    content = {**({REVISIONS: commits} if commits else {}), **pins}
    with replacing(library.pins.path) as file:
        file.write(json.dumps(content, indent=1).encode())
