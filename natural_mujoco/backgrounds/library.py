"""A video set ready to play: which clips it has, and their frames, prepared when they are first asked for.

- `open_videos`: what an environment's `videos` argument means, resolved once.
- `VideoLibrary`: one set's ids and frames.
"""

from __future__ import annotations

import os
import shlex
import warnings
import weakref
from pathlib import Path

import numpy as np

from natural_mujoco.backgrounds.cache import Cache
from natural_mujoco.backgrounds.clip_file import (
    FileIdentity,
    Frames,
    frames_sha256,
    map_clip,
    read_check,
    record_check,
)
from natural_mujoco.backgrounds.manifest import (
    MAX_SIZE,
    GeneratedSource,
    Manifest,
    Video,
    load_manifest,
    shipped_names,
)
from natural_mujoco.backgrounds.obtain.folder import folder_manifest
from natural_mujoco.backgrounds.obtain.pins import LockFile
from natural_mujoco.backgrounds.obtain.preparation import prepare_apart
from natural_mujoco.backgrounds.obtain.sources import find_source
from natural_mujoco.errors import EmbeddedVideosWarning, InvalidArgument, VideoSetError

AUTO_SET = "ilsvrc-vid"
OPEN_CLIPS = 256
"""Clips kept mapped: each holds a file descriptor, and many systems grant a process 1024."""

# One mapping per clip file and process, however many environments play it.
_mapped: weakref.WeakValueDictionary[tuple[str, FileIdentity], Frames] = weakref.WeakValueDictionary()


_warned = False


def open_videos(videos: str | os.PathLike[str] = "auto") -> VideoLibrary:
    """The library that an environment's `videos` argument names.

    `videos` is a set's name, a manifest file, a folder of videos, or `"auto"`: `ilsvrc-vid` if all its
    clips are on this machine, else `embedded`, with one `EmbeddedVideosWarning` per process.

    Raises `InvalidArgument` for a name that is none of these, `VideoSetError` for a faulty manifest or folder.
    """
    cache = Cache()
    if isinstance(videos, str) and videos == "auto":
        library = VideoLibrary(load_manifest(AUTO_SET), cache)
        if library.is_available():
            return library
        _warn_once()
        return VideoLibrary(load_manifest("embedded"), cache)
    if not isinstance(videos, (str, os.PathLike)) or not os.fspath(videos):
        raise InvalidArgument(f"videos={videos!r} is neither a set's name nor a path.")
    if isinstance(videos, str) and videos in shipped_names():
        return VideoLibrary(load_manifest(videos), cache)
    path = Path(videos).expanduser()
    if path.is_dir():
        return VideoLibrary(folder_manifest(path, cache), cache, str(path))
    if path.is_file() and path.suffix.lower() != ".json":
        raise InvalidArgument(
            f"videos={str(videos)!r} is one file: give the folder of videos, or a manifest (.json)."
        )
    return VideoLibrary(load_manifest(videos), cache, str(path))


def _warn_once() -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            f"Playing the embedded videos: {AUTO_SET} is not on this machine. "
            f"`natural-mujoco videos download {AUTO_SET}` prepares it; videos='embedded' silences this.",
            EmbeddedVideosWarning,
            stacklevel=3,
        )


class VideoLibrary:
    """The clips of one video set. Holds no frames itself, costs little to make, and pickles."""

    def __init__(self, manifest: Manifest, cache: Cache | None = None, argument: str | None = None) -> None:
        self.manifest = manifest
        self.name = manifest.name
        self.argument = argument or manifest.name
        """What to give `open_videos`, or the command line, for this set."""
        self.content_hash = manifest.content_hash
        self.cache = cache if cache is not None else Cache()
        self.pins = LockFile(self.cache, manifest.collection)
        self._videos = {video.id: video for video in manifest.videos}
        self._open: dict[tuple[str, int], Frames] = {}

    def __getstate__(self) -> dict[str, object]:
        return {"manifest": self.manifest, "cache": self.cache, "argument": self.argument}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"VideoLibrary({self.name!r}, {len(self._videos)} clips, {self.content_hash[:8]})"

    def ids(self, split: str) -> tuple[str, ...]:
        """The sorted ids of one half.

        Raises `InvalidArgument` for an unknown split, `VideoSetError` if the set has no clips in it.
        """
        ids = self.manifest.ids(split)
        if not ids:
            raise VideoSetError(
                f"The video set {self.name} has no {split} clips. "
                "Add videos (their names decide the split), or write a manifest that says which is which."
            )
        return ids

    def frames(self, clip_id: str, size: int) -> Frames:
        """The frames of one clip: uint8 `[n, size, size, 3]`, n ≥ 2, read-only, shared through a memory map.

        Prepared now if they were not before: generated, decoded from the user's folder, or decoded from the
        downloaded or imported video. The file is hashed once, when it is written or replaced; later openings
        compare its size, time and inode with what was hashed.

        Raises `InvalidArgument` for an unknown clip or an absurd size, and `VideoSetError` if the clip's video
        is not on this machine, cannot be decoded, cannot be written, or is not what was recorded.
        """
        known = self._open.get((clip_id, size))
        if known is not None:
            return known
        video = self.video(clip_id)
        check_size(size)
        frames = self._open_prepared(video, size)
        if frames is None:
            prepare_apart(self, clip_id, size)
            frames = self._open_prepared(video, size)
            if frames is None:
                raise VideoSetError(f"{self.clip_path(video, size)} was removed while it was being prepared.")
        if len(self._open) >= OPEN_CLIPS:
            self._open.pop(next(iter(self._open)))
        self._open[clip_id, size] = frames
        return frames

    def video(self, clip_id: str) -> Video:
        """The manifest's entry of a clip. Raises `InvalidArgument` if there is none."""
        try:
            return self._videos[clip_id]
        except KeyError:
            raise InvalidArgument(f"The video set {self.name} has no clip {clip_id!r}.") from None

    def is_available(self) -> bool:
        """Whether every clip can be played without fetching anything, at some size at least."""
        return not self.missing()

    def missing(self) -> list[str]:
        """The clips that are on this machine neither as videos nor as prepared frames, in order of their ids."""
        if isinstance(self.manifest.source, GeneratedSource):
            return []
        names: set[str] = set()
        for folder in _subfolders(self.cache.home / "clips" / self.manifest.collection):
            names |= {entry.name for entry in os.scandir(folder)}
        return [
            video.id
            for video in self.manifest.videos
            if f"{self.key(video)}.npy" not in names and find_source(self.manifest, video, self.cache) is None
        ]

    def is_prepared(self, clip_id: str, size: int) -> bool:
        """Whether the clip's frames lie in the cache at this size."""
        return self.clip_path(self.video(clip_id), size).is_file()

    def clip_path(self, video: Video, size: int) -> Path:
        """Where the clip's prepared frames lie, or will."""
        return self.cache.clip(self.manifest.collection, size, self.key(video))

    def key(self, video: Video) -> str:
        """The clip's name in the cache: the hash of a user's file, which may be renamed, else its id."""
        return video.file_sha256 or video.id

    def pinned(self, video: Video, size: int) -> str | None:
        """The hash the clip's frames must have, by the manifest, else the lock file; None if never prepared."""
        return video.sha256.get(size) or self.pins.get(self.key(video), size)

    def _open_prepared(self, video: Video, size: int) -> Frames | None:
        path = self.clip_path(video, size)
        try:
            identity = FileIdentity.of(path)
            frames = _mapped.get((str(path), identity))
            if frames is not None:
                return frames
            frames = map_clip(path, size)
        except (FileNotFoundError, NotADirectoryError):
            return None  # what stands in the way, if anything does, is said when the clip is to be written
        except OSError as error:
            raise VideoSetError(f"Cannot read {path}: {error.strerror}.") from error
        except VideoSetError as error:
            raise VideoSetError(f"{error} {self._remedy()}") from error
        expected = self.pinned(video, size)
        if expected is None or read_check(path, identity) != expected:
            found = frames_sha256(frames)
            expected = expected or self.pins.record(self.key(video), size, found)
            if found != expected:
                raise VideoSetError(
                    f"The prepared frames of {video.id} at {size} px are not what was recorded (sha256 "
                    f"{found[:12]}…, not {expected[:12]}…). {self._remedy()}"
                )
            record_check(path, found, identity)
        _mapped[str(path), identity] = frames
        return frames

    def _remedy(self) -> str:
        return f"`natural-mujoco videos verify {shlex.quote(self.argument)}` remakes them."


def check_size(size: int) -> None:
    """Raises `InvalidArgument` for what is no frame size: 1 to 1024 pixels."""
    if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or not 1 <= size <= MAX_SIZE:
        raise InvalidArgument(f"size={size!r} is no frame size: give whole pixels from 1 to {MAX_SIZE}.")


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
