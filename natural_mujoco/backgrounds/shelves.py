"""Decides which shelf of the cache holds a set's clips, so that no set can put clips into another set's shelf.

Shipped sets, and users' folders, have shelves with fixed names. Any other manifest gets a shelf named after its source.
Two sets therefore share clips only if they get them from the same place, and a manifest that calls itself or its
collection `ilsvrc-vid` cannot add frames to that set.

- `Shelf`, `shelf_of`: a shelf, and the shelf of a manifest.
- `refuse_taken_name`: refuses a user's manifest that has the name of a shipped set.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import NamedTuple

from natural_mujoco.backgrounds.cache import Cache
from natural_mujoco.backgrounds.manifest import LocalSource, Manifest, Video, manifest_folders, read_manifest
from natural_mujoco.errors import VideoSetError

FILES = "files"
"""The shelf for clips of users' folders, which are named by the sha256 of the video file."""


class Shelf(NamedTuple):
    """A shelf's name, and whether clips' names on it include the number of frames that the manifest gives."""

    name: str
    by_length: bool = False

    def key(self, video: Video) -> str:
        """The clip's name on the shelf: for users' files, which may be renamed, the file's hash; else the clip's id."""
        if video.file_sha256 is not None:
            return video.file_sha256
        return f"{video.id}@{video.frames}" if self.by_length and video.frames is not None else video.id


def shelf_of(manifest: Manifest, cache: Cache) -> Shelf:
    """The shelf that holds the manifest's clips."""
    collection = manifest.collection
    if collection == FILES and all(
        v.file_sha256 and v.frames is None and not v.sha256 for v in manifest.videos
    ):
        return Shelf(FILES)
    official = _official(collection)
    if official is not None and _is_part(manifest, official):
        return Shelf(collection)
    source = hashlib.sha256(manifest.source.model_dump_json().encode()).hexdigest()[:12]
    own = Shelf(f"{collection}@{source}", by_length=True)
    if (
        official is None
        and collection != FILES
        and not _begun(own, cache)
        and _begun(Shelf(collection), cache)
    ):
        return Shelf(collection)  # filled by an older version, which had one shelf for each collection
    return own


def refuse_taken_name(manifest: Manifest, path: Path) -> None:
    """Raises `VideoSetError` if a user's manifest has the name of a shipped set but is a different set."""
    for shipped in manifest_folders()[0].glob(f"{manifest.name}.json"):
        if read_manifest(shipped).content_hash != manifest.content_hash:
            raise VideoSetError(
                f"{path} calls itself {manifest.name}, which is the name of a set that comes with this package: "
                "give it another name."
            )


class _Official(NamedTuple):
    manifests: tuple[Manifest, ...]
    videos: dict[str, Video]


@functools.cache
def _official(collection: str) -> _Official | None:
    """The shipped sets that share the collection, and all their clips."""
    shipped = (read_manifest(path) for path in sorted(manifest_folders()[0].glob("*.json")))
    manifests = tuple(manifest for manifest in shipped if manifest.collection == collection)
    videos = {video.id: video for manifest in manifests for video in manifest.videos}
    return _Official(manifests, videos) if manifests else None


def _is_part(manifest: Manifest, official: _Official) -> bool:
    # Clips of a `LocalSource` come from the user, so that the text about how to obtain them need not agree.
    by_hand = isinstance(manifest.source, LocalSource)
    sources = [shipped.source for shipped in official.manifests]
    if manifest.source not in sources and not (by_hand and isinstance(sources[0], LocalSource)):
        return False

    def content(video: Video | None) -> object:
        return video and (video.frames, video.sha256, video.file_sha256)

    return all(content(official.videos.get(video.id)) == content(video) for video in manifest.videos)


def _begun(shelf: Shelf, cache: Cache) -> bool:
    return cache.sources(shelf.name).is_dir() or (cache.home / "clips" / shelf.name).is_dir()
