"""Recording a clip's hash: what was prepared first is what everything later is held to.

- `hold_to_record`: a clip's hash against manifest and lock file, recorded if it is new.
"""

from __future__ import annotations

import json

from natural_mujoco.backgrounds.cache import replacing
from natural_mujoco.backgrounds.library import VideoLibrary
from natural_mujoco.backgrounds.manifest import Video


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
                with replacing(library.pins.path) as file:
                    file.write(json.dumps(pins, indent=1).encode())
    expected = library.pinned(video, size)
    return None if expected == sha256 else expected
