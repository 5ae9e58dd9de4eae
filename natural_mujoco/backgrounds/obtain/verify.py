"""Checks whether the cache still holds the recorded frames: hashes everything again, reports damage and repairs it.

Opening a clip only compares its size, time and inode with those of the file that was hashed. This notices files that
were rewritten, but not bytes that changed on the disk without a write; `verify` notices both.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from natural_mujoco.backgrounds.clip_file import FileIdentity, frames_sha256, map_clip
from natural_mujoco.backgrounds.library import VideoLibrary
from natural_mujoco.backgrounds.manifest import Video
from natural_mujoco.backgrounds.obtain.clip_writer import record_check
from natural_mujoco.backgrounds.obtain.pinning import hold_to_record
from natural_mujoco.backgrounds.obtain.preparation import default_workers, prepare_apart
from natural_mujoco.backgrounds.obtain.sources import file_sha256, read_record, record_path
from natural_mujoco.errors import VideoSetError

State = Literal["good", "damaged", "mended", "lost"]


@dataclass(frozen=True)
class Finding:
    """One result of `verify`: `what` is a size in pixels, or `"video"` for the downloaded video itself.

    `state`: `"damaged"`: not repaired, as `mend` was false; `"mended"`: prepared again and good; `"lost"`: could not be
    repaired, or is a video that was removed and must be downloaded again.
    """

    clip_id: str
    what: int | Literal["video"]
    state: State
    detail: str = ""


def verify(
    library: VideoLibrary, mend: bool = True, on_finding: Callable[[Finding], None] = lambda finding: None
) -> list[Finding]:
    """Hashes every prepared clip and every downloaded video of a set again, at all sizes, on all cores.

    With `mend`, damaged frames are prepared again and must have the recorded hash, and a damaged video is removed, so
    that the next download fetches it. Clips that are not prepared are skipped. Returns the findings, which
    `on_finding` also gets one by one.
    """
    findings: list[Finding] = []
    with ThreadPoolExecutor(default_workers(), thread_name_prefix="verify") as threads:
        # Videos come first, so that no frames are prepared from a damaged video.
        for finding in threads.map(lambda video: _check_video(library, video, mend), _videos(library)):
            findings.append(finding)
            on_finding(finding)
        for finding in threads.map(
            lambda clip: _check_frames(library, clip[0], clip[1], mend), _prepared(library)
        ):
            findings.append(finding)
            on_finding(finding)
    return findings


def count_files(library: VideoLibrary) -> int:
    """How many files `verify` will hash."""
    return sum(1 for _ in _videos(library)) + sum(1 for _ in _prepared(library))


def prepared_sizes(library: VideoLibrary) -> list[int]:
    """The frame sizes, ascending, at which the cache holds clips of the set's shelf."""
    folder = library.cache.home / "clips" / library.shelf.name
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


@dataclass(frozen=True)
class DiskUse:
    """How many of a set's clips are prepared, by size in pixels, and the bytes of all files of the set."""

    prepared: dict[int, int]
    bytes: int


def disk_use(library: VideoLibrary) -> DiskUse:
    """The disk space of a set on this machine: its prepared frames and its downloaded videos."""
    total = 0
    prepared: dict[int, int] = {}
    for video, size in _prepared(library):
        prepared[size] = prepared.get(size, 0) + 1
        total += library.clip_path(video, size).stat().st_size
    for video in _videos(library):
        total += library.cache.downloaded(library.shelf.name, video.id).stat().st_size
    return DiskUse(prepared, total)


def _videos(library: VideoLibrary) -> Iterator[Video]:
    for video in library.manifest.videos:
        if library.cache.downloaded(library.shelf.name, video.id).is_file():
            yield video


def _prepared(library: VideoLibrary) -> Iterator[tuple[Video, int]]:
    for size in prepared_sizes(library):
        for video in library.manifest.videos:
            if library.clip_path(video, size).is_file():
                yield video, size


def _check_video(library: VideoLibrary, video: Video, mend: bool) -> Finding:
    cache, shelf = library.cache, library.shelf.name
    path = cache.downloaded(shelf, video.id)

    def fault() -> str:
        record = read_record(cache, shelf, video.id)
        if record is None:
            return "its record is missing or damaged"
        try:
            return "" if file_sha256(path) == record.sha256 else "its sha256 is not the recorded one"
        except OSError as error:
            return f"it cannot be read ({error.strerror})"

    if not fault():
        return Finding(video.id, "video", "good")
    if not mend:
        return Finding(video.id, "video", "damaged", fault())
    with cache.lock(shelf, "sources", video.id):
        detail = fault()  # another process may have fetched it again
        if not detail:
            return Finding(video.id, "video", "good")
        path.unlink(missing_ok=True)
        record_path(cache, shelf, video.id).unlink(missing_ok=True)
    remedy = f"`natural-mujoco videos download {shlex.quote(library.argument)}` fetches it again"
    return Finding(video.id, "video", "lost", f"{detail}; it was removed, and {remedy}")


def _check_frames(library: VideoLibrary, video: Video, size: int, mend: bool) -> Finding:
    path = library.clip_path(video, size)
    detail = _fault(library, video, size, path)
    if not detail:
        return Finding(video.id, size, "good")
    if not mend:
        return Finding(video.id, size, "damaged", detail)
    try:
        prepare_apart(library, video.id, size, replace=True)
    except VideoSetError as error:
        return Finding(video.id, size, "lost", f"{detail}; {error}")
    return Finding(video.id, size, "mended", detail)


def _fault(library: VideoLibrary, video: Video, size: int, path: Path) -> str:
    try:
        identity = FileIdentity.of(path)
        found = frames_sha256(map_clip(path, size))
    except FileNotFoundError:
        return ""  # removed since it was listed
    except (VideoSetError, OSError) as error:
        return str(error)
    expected = hold_to_record(library, video, size, found)
    if expected is not None:
        return f"sha256 {found[:12]}… instead of {expected[:12]}…"
    record_check(path, found, identity)
    return ""
