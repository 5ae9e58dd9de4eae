"""A video set ready to play: its clips' ids, and their frames, which are prepared when first asked for.

- `open_videos`: opens the set that an environment's `videos` argument names.
- `VideoLibrary`: the ids and frames of one set.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import warnings
import weakref
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np

from natural_mujoco.backgrounds.cache import Cache
from natural_mujoco.backgrounds.clip_file import FileIdentity, Frames, map_clip, read_check
from natural_mujoco.backgrounds.manifest import (
    MAX_SIZE,
    GeneratedSource,
    Manifest,
    Video,
    load_manifest,
    shipped_names,
)
from natural_mujoco.backgrounds.open_clips import OPEN_CLIPS, budget
from natural_mujoco.backgrounds.pins import LockFile
from natural_mujoco.backgrounds.shelves import refuse_taken_name, shelf_of
from natural_mujoco.backgrounds.sources import find_source
from natural_mujoco.errors import EmbeddedVideosWarning, InvalidArgument, VideoSetError

AUTO_SET = "ilsvrc-vid"

# One memory map per clip file and process, shared by all environments that play the clip.
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
        return VideoLibrary(_obtaining().folder_manifest(path, cache), cache, str(path))
    if path.is_file() and path.suffix.lower() != ".json":
        raise InvalidArgument(
            f"videos={str(videos)!r} is one file: give the folder of videos, or a manifest (.json)."
        )
    manifest = load_manifest(videos)
    refuse_taken_name(manifest, path)
    return VideoLibrary(manifest, cache, str(path))


def _obtaining() -> ModuleType:
    """The package that obtains clips, imported only when a clip is not prepared or a folder is new."""
    from natural_mujoco.backgrounds import obtain

    return obtain


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


class Stoppable(Protocol):
    """Work in the background that can be stopped."""

    @property
    def is_running(self) -> bool: ...

    def stop(self) -> None: ...


class VideoLibrary:
    """The clips of one video set. Holds no frames itself, is cheap to create, and can be pickled."""

    def __init__(self, manifest: Manifest, cache: Cache | None = None, argument: str | None = None) -> None:
        self.manifest = manifest
        self.name = manifest.name
        self.argument = argument or manifest.name
        """The argument with which `open_videos`, or the command line, opens this set."""
        self.content_hash = manifest.content_hash
        self.cache = cache if cache is not None else Cache()
        self.shelf = shelf_of(manifest, self.cache)
        """The shelf of the cache that holds its clips."""
        self.pins = LockFile(self.cache, self.shelf.name)
        self._videos = {video.id: video for video in manifest.videos}
        self.preparing: Stoppable | None = None
        """The background work that is preparing its clips, if any."""
        self._token = object()
        weakref.finalize(self, OPEN_CLIPS.forget, self._token)

    def __getstate__(self) -> dict[str, object]:
        return {"manifest": self.manifest, "cache": self.cache, "argument": self.argument}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"VideoLibrary({self.name!r}, {len(self._videos)} clips, {self.content_hash[:8]})"

    def ids(self, split: str) -> tuple[str, ...]:
        """The sorted ids of one split, `"train"` or `"test"`.

        Raises `InvalidArgument` for an unknown split, `VideoSetError` if the split has no clips.
        """
        ids = self.manifest.ids(split)
        if not ids:
            raise VideoSetError(
                f"The video set {self.name} has no {split} clips. "
                "Add videos (their names decide the split), or write a manifest that says which is which."
            )
        return ids

    def frames(self, clip_id: str, size: int, coming: Iterable[str] = ()) -> Frames:
        """The frames of one clip: `uint8[n, size, size, 3]`, n ≥ 2, read-only, shared through a memory map.

        If they are not prepared yet, this prepares them: it generates them, or decodes the video from the user's
        folder, the download or the import. `coming` are the clips that will be asked for next, in this order; if this
        clip has to be prepared, they are prepared in the background, on cores that are free. The file is hashed when it
        is written or replaced; later openings only compare its size, time and inode with those of the hashed file.

        Raises `InvalidArgument` for an unknown clip or an invalid size, and `VideoSetError` if the clip's video is not
        on this machine, cannot be decoded or is not the recorded one, if the frames cannot be written, or if a clip of
        the other split shows the same frames.
        """
        known = OPEN_CLIPS.get((self._token, clip_id, size))
        if known is not None:
            return known
        video = self.video(clip_id)
        check_size(size)
        frames = self._open_vouched(video, size)
        if frames is None:
            frames, identity = _obtaining().obtain_frames(self, video, size, coming)
            _mapped[str(self.clip_path(video, size)), identity] = frames
        self._refuse_twins(video, size)
        OPEN_CLIPS.keep((self._token, clip_id, size), frames)
        return frames

    def stop_preparing(self) -> None:
        """Stops preparing this library's clips in the background; finished clips stay."""
        if self.preparing is not None:
            self.preparing.stop()
            self.preparing = None

    def video(self, clip_id: str) -> Video:
        """The manifest's entry of a clip. Raises `InvalidArgument` if there is none."""
        try:
            return self._videos[clip_id]
        except KeyError:
            raise InvalidArgument(f"The video set {self.name} has no clip {clip_id!r}.") from None

    def is_available(self) -> bool:
        """Whether every clip can be played, at one size at least, without fetching anything."""
        return not self.missing()

    def missing(self) -> list[str]:
        """The ids, sorted, of clips of which this machine has neither the video nor prepared frames."""
        if self.is_generated:
            return []
        names: set[str] = set()
        for folder in _subfolders(self.cache.home / "clips" / self.shelf.name):
            names |= {entry.name for entry in os.scandir(folder)}
        return [
            video.id
            for video in self.manifest.videos
            if f"{self.key(video)}.npy" not in names and self.source(video) is None
        ]

    @property
    def is_generated(self) -> bool:
        """Whether its clips are generated by this package instead of decoded."""
        return isinstance(self.manifest.source, GeneratedSource)

    def is_prepared(self, clip_id: str, size: int) -> bool:
        """Whether the cache holds the clip's frames at this size."""
        return self.clip_path(self.video(clip_id), size).is_file()

    def clip_path(self, video: Video, size: int) -> Path:
        """The file of the clip's prepared frames, whether or not it exists yet."""
        return self.cache.clip(self.shelf.name, size, self.key(video))

    def source(self, video: Video) -> Path | None:
        """The clip's own video file or folder of frames, or None if it is not on this machine."""
        return find_source(self.manifest, video, self.cache, self.shelf.name)

    def key(self, video: Video) -> str:
        """The clip's name in the cache."""
        return self.shelf.key(video)

    def pinned(self, video: Video, size: int) -> str | None:
        """The sha256 that the clip's frames must have, from the manifest, else the lock file; `None` if in neither."""
        return video.sha256.get(size) or self.pins.get(self.key(video), size)

    def unpinned_hash(self, clip_id: str, size: int) -> str | None:
        """The sha256 (hex) of the clip's frames as prepared here; `None` if the manifest pins it or there are none."""
        video = self.video(clip_id)
        return None if size in video.sha256 else self.pinned(video, size)

    def frames_hash(self, size: int, split: str | None = None) -> str | None:
        """sha256 (hex) over the hashes of the prepared frames at `size`, of one split or the whole set.

        Machines that show the same frames have the same hash, whatever the manifest pins. `None` unless all of these
        clips have been prepared at this size.
        """
        lines = []
        for video in self.manifest.videos:
            if split in (None, video.split):
                sha256 = self.pinned(video, size)
                if sha256 is None:
                    return None
                lines.append(f"{video.split} {video.id} {sha256}\n")
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def open_prepared(self, video: Video, size: int) -> tuple[Frames, FileIdentity] | None:
        """A prepared clip from the cache, whether or not it was hashed, and its file's identity; `None` if missing.

        Raises `VideoSetError` if it cannot be read or is not a complete clip.
        """
        path = self.clip_path(video, size)
        try:
            identity = FileIdentity.of(path)
            # With too many maps the process would run out of file descriptors; further clips are held as copies.
            return map_clip(path, size, in_memory=len(_mapped) >= 2 * budget()), identity
        except (FileNotFoundError, NotADirectoryError):
            return None  # if something else is in its place, writing the clip raises the error
        except OSError as error:
            raise VideoSetError(f"Cannot read {path}: {error.strerror}.") from error
        except VideoSetError as error:
            raise VideoSetError(f"{error} {self.remedy()}") from error

    def _open_vouched(self, video: Video, size: int) -> Frames | None:
        """A prepared clip that was hashed and has the right hash; `None` if it must be hashed or prepared first."""
        path = self.clip_path(video, size)
        try:
            identity = FileIdentity.of(path)
        except OSError:
            return None
        frames = _mapped.get((str(path), identity))
        if frames is None:
            expected = self.pinned(video, size)
            if expected is None or read_check(path, identity) != expected:
                return None
            opened = self.open_prepared(video, size)
            if opened is None or opened[1] != identity:
                return None
            frames = _mapped[str(path), identity] = opened[0]
        return frames

    def _refuse_twins(self, video: Video, size: int) -> None:
        if size in video.sha256:
            return  # checked when the manifest was read
        pins = self.pins.all()
        sha256 = pins.get(self.key(video), {}).get(size)
        for other in self.manifest.videos:
            if other.split != video.split and pins.get(self.key(other), {}).get(size) == sha256 is not None:
                raise VideoSetError(
                    f"{other.id} ({other.split}) and {video.id} ({video.split}) of {self.name} show the same frames, "
                    "and a test clip must not be seen in training: remove one of them."
                )

    def remedy(self) -> str:
        """What to do about prepared frames that are damaged."""
        return f"`natural-mujoco videos verify {shlex.quote(self.argument)}` remakes them."


def check_size(size: int) -> None:
    """Raises `InvalidArgument` unless `size` is a whole number from 1 to 1024 pixels."""
    if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or not 1 <= size <= MAX_SIZE:
        raise InvalidArgument(f"size={size!r} is no frame size: give whole pixels from 1 to {MAX_SIZE}.")


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
