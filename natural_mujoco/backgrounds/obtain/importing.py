"""Imports clips that are already on the user's disk: finds them by name in any folder tree and links them.

Known trees: ILSVRC (`Data/VID/**/<id>/*.JPEG`, `Data/VID/snippets/**/<id>.mp4`), a folder of VidVRD's mp4s, and
DAVIS (`JPEGImages/480p/<name>/*.jpg`). If a clip is found more than once, a video file is preferred to a folder of
frames (the Hub's copies are video files, so that more machines see the same bytes), `480p` to other resolutions, and a
shallower path to a deeper one.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from natural_mujoco.backgrounds.cache import Cache, replacing
from natural_mujoco.backgrounds.manifest import FolderSource, GeneratedSource, Manifest, manifest_folders
from natural_mujoco.backgrounds.obtain.decode import FRAME_SUFFIXES, VIDEO_SUFFIXES
from natural_mujoco.backgrounds.obtain.sources import link_source
from natural_mujoco.backgrounds.shelves import shelf_of
from natural_mujoco.backgrounds.sources import find_source
from natural_mujoco.errors import InvalidArgument, VideoSetError


@dataclass(frozen=True)
class Import:
    """The result of an import: the set to use from now on, the clips that were linked, and those that are missing."""

    manifest: Manifest
    linked: tuple[str, ...]
    missing: tuple[str, ...]


class ClipsMissing(VideoSetError):
    """Some clips of the set were not found under the folder; `clip_ids` lists all of them."""

    def __init__(self, message: str, clip_ids: tuple[str, ...]) -> None:
        super().__init__(message)
        self.clip_ids = clip_ids


def import_clips(manifest: Manifest, tree: Path, cache: Cache, allow_missing: bool = False) -> Import:
    """Links the clips of a set that are found under `tree`; clips downloaded or imported before count as present.

    If some are missing and `allow_missing` is set, the others become a new set with a name and a content hash of its
    own, which is written to the cache and can be used by its name.

    Raises `InvalidArgument` if `tree` is not a folder or the set needs no import, `ClipsMissing` if clips are missing.
    """
    if isinstance(manifest.source, (GeneratedSource, FolderSource)):
        raise InvalidArgument(f"{manifest.name} needs no import: it is used by its name or path as it is.")
    if not tree.is_dir():
        raise InvalidArgument(f"--from {tree} is no folder.")
    found = find_clips(tree, {video.id for video in manifest.videos})
    shelf = shelf_of(manifest, cache).name
    known = {v.id for v in manifest.videos if find_source(manifest, v, cache, shelf) is not None}
    missing = tuple(v.id for v in manifest.videos if v.id not in found and v.id not in known)
    if len(missing) == len(manifest.videos):
        raise VideoSetError(
            f"None of the {len(missing)} clips of {manifest.name} lies under {tree}: a clip is a file such as "
            f"{missing[0]}.mp4 or a folder {missing[0]} of frames."
        )
    if missing and not allow_missing:
        named = ", ".join(missing[:5]) + (", …" if len(missing) > 5 else "")
        raise ClipsMissing(
            f"{len(missing)} of the {len(manifest.videos)} clips of {manifest.name} do not lie under {tree}: {named}. "
            "Complete the tree, or give --allow-missing to use the others as a set of their own.",
            missing,
        )
    for clip_id, path in sorted(found.items()):
        link_source(cache, shelf, clip_id, path)
    if missing:
        manifest = _partial(manifest, set(missing), cache)
    return Import(manifest, tuple(sorted(found)), missing)


def find_clips(tree: Path, clip_ids: Collection[str]) -> dict[str, Path]:
    """The path under `tree` of each clip, a video file or a folder of frames; clips not found are left out."""
    ranked: dict[str, tuple[tuple[bool, bool, int, str], Path]] = {}
    pending = [tree.resolve()]
    while pending:
        folder = pending.pop()
        for entry in _entries(folder):
            path = Path(entry.path)
            stem, suffix = os.path.splitext(entry.name)
            if entry.is_dir():
                clip_id = entry.name
                if clip_id in clip_ids and _holds_frames(path):
                    _offer(ranked, clip_id, path, is_folder=True)
                elif (
                    entry.name != "Annotations" and not entry.is_symlink()
                ):  # DAVIS's masks have the same names as its clips
                    pending.append(path)
            elif stem in clip_ids and suffix.lower() in VIDEO_SUFFIXES:
                _offer(ranked, stem, path, is_folder=False)
    return {clip_id: path for clip_id, (_, path) in ranked.items()}


def _offer(
    ranked: dict[str, tuple[tuple[bool, bool, int, str], Path]], clip_id: str, path: Path, is_folder: bool
) -> None:
    rank = (is_folder, "480p" not in path.parts, len(path.parts), str(path))
    if clip_id not in ranked or rank < ranked[clip_id][0]:
        ranked[clip_id] = (rank, path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    entries = []
    frames = 0
    try:
        with os.scandir(folder) as scan:
            for entry in scan:
                if os.path.splitext(entry.name)[1].lower() not in FRAME_SUFFIXES:
                    entries.append(entry)
                    continue
                frames += 1
                if frames == 16 and not entries:
                    return []  # a folder of frames; in a full ILSVRC tree this skips a million names
    except OSError as error:
        raise VideoSetError(
            f"Cannot read {folder}: {error.strerror}. Make it readable and import again."
        ) from error
    return entries


def _holds_frames(folder: Path) -> bool:
    with os.scandir(folder) as scan:
        return any(os.path.splitext(entry.name)[1].lower() in FRAME_SUFFIXES for entry in scan)


def _partial(manifest: Manifest, missing: Collection[str], cache: Cache) -> Manifest:
    videos = tuple(video for video in manifest.videos if video.id not in missing)
    content_hash = manifest.model_copy(update={"videos": videos}).content_hash
    partial = Manifest.model_validate(
        {
            **manifest.model_dump(),
            "name": f"{manifest.name}-partial-{content_hash[:8]}",
            "description": f"{len(videos)} of the {len(manifest.videos)} clips of {manifest.name}.",
            "videos": videos,
        }
    )
    path = manifest_folders()[-1] / f"{partial.name}.json"
    with cache.lock("manifests", partial.name), replacing(path) as file:
        file.write(partial.to_json().encode())
    return partial
