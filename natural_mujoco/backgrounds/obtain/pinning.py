"""Writing the lock file: what was fetched and prepared first is what everything later is held to.

- `hold_to_record`: a clip's hash against manifest and lock file, recorded if it is new.
- `hold_to_commit`: the same for the commit that a dataset's revision names.
"""

from __future__ import annotations

import json

from natural_mujoco.backgrounds.cache import replacing
from natural_mujoco.backgrounds.library import VideoLibrary
from natural_mujoco.backgrounds.manifest import Video
from natural_mujoco.backgrounds.pins import REVISIONS


def hold_to_record(library: VideoLibrary, video: Video, size: int, sha256: str) -> str | None:
    """The hash that the clip must have instead, or None if `sha256` is right or the first.

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
    """The commit that `revision` of `repo` was first seen at on this machine: `commit`, if it is new.

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
