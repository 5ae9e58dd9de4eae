"""Downloads a set's clips from the Hub into the cache, several at a time, resumable at any byte.

Of each archive only the directory and the members that are needed are read. A member's bytes are appended to a hidden
`.part` file as they come, and an interrupted download continues after its last byte. The finished video is checked
against the archive's checksum and appears only when complete. It is kept, so that other frame sizes can be prepared
later. A record beside it holds the commit and the member that it came from, and its sha256.
"""

from __future__ import annotations

import hashlib
import queue
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from natural_mujoco.backgrounds.cache import Cache, replacing, write_error
from natural_mujoco.backgrounds.library import VideoLibrary
from natural_mujoco.backgrounds.manifest import HubSource, LocalSource
from natural_mujoco.backgrounds.obtain.hub import HubArchives, HubUnreachable
from natural_mujoco.backgrounds.obtain.pinning import hold_to_commit
from natural_mujoco.backgrounds.obtain.preparation import Preparers, missing_clips_message
from natural_mujoco.backgrounds.obtain.sources import SourceRecord, record_path
from natural_mujoco.backgrounds.obtain.zip_members import DamagedMember, Member, find_members, unpack
from natural_mujoco.errors import InvalidArgument, VideoSetError

PIECE_BYTES = 2**22


@dataclass
class DownloadEvents:
    """Callbacks for a progress display, called from any thread; by default they do nothing. Sizes are in bytes."""

    planned: Callable[[int, int], None] = lambda clips, size: None
    fetched: Callable[[int], None] = lambda size: None
    skipped: Callable[[int], None] = lambda size: None
    clip_fetched: Callable[[str], None] = lambda clip_id: None
    clip_prepared: Callable[[str, int], None] = lambda clip_id, size: None
    note: Callable[[str], None] = lambda text: None


@dataclass(frozen=True)
class DownloadSummary:
    """The result of a download: clips fetched now, clips that were there before, and why clips failed, by id."""

    commit: str | None
    fetched_clips: int
    fetched_bytes: int
    present_clips: int
    failed: Mapping[str, str]


def download(
    library: VideoLibrary,
    sizes: tuple[int, ...] = (64,),
    repo: str | None = None,
    revision: str | None = None,
    token: str | None = None,
    connections: int = 4,
    workers: int | None = None,
    events: DownloadEvents | None = None,
    fetch: bool = True,
) -> DownloadSummary:
    """Fetches the clips of a set that are not on this machine yet, and prepares all of its clips at `sizes` (pixels).

    If the set is not on the Hub (generated, imported, a folder), or without `fetch`, clips are only prepared. `repo`
    and `revision` replace those of the manifest; `connections` clips are fetched and `workers` prepared at once.

    Raises `VideoSetError` if the dataset cannot be used or clips must be obtained by hand, `HubUnreachable` if the Hub
    cannot be reached. A single faulty clip does not stop the others; the summary names it.
    """
    events = events or DownloadEvents()
    manifest = library.manifest
    absent = [v.id for v in manifest.videos if library.source(v) is None]
    if isinstance(manifest.source, LocalSource) and library.missing():
        raise VideoSetError(missing_clips_message(library, library.missing()))
    if not isinstance(manifest.source, HubSource) or not fetch:
        absent = []
    failed: dict[str, str] = {}
    fetched: list[str] = []
    fetcher: _Fetch | None = None
    with Preparers(library, workers) as preparers:
        prepared: dict[Future[None], tuple[str, int]] = {}

        def prepare(clip_id: str) -> None:
            for size in sizes:
                future = preparers.submit(clip_id, size)
                prepared[future] = (clip_id, size)
                future.add_done_callback(tell)

        def tell(future: Future[None]) -> None:
            if not future.cancelled() and future.exception() is None:
                events.clip_prepared(*prepared[future])

        for video in manifest.videos:
            if video.id not in absent:
                prepare(video.id)
        if absent:
            assert isinstance(manifest.source, HubSource)
            source = _mirror(manifest.source, repo, revision)
            hold_to = partial(hold_to_commit, library, source.repo, source.revision)
            with HubArchives(source, token, events.note, hold_to) as archives:
                fetcher = _Fetch(library.cache, library.shelf.name, archives, events)
                members = fetcher.plan(absent)
                fetched = _fetch_all(fetcher, members, connections, prepare, failed)
            for clip_id in sorted(set(absent) - set(members)):
                failed[clip_id] = f"no member called {clip_id}.mp4 in {source.repo}"
        else:
            events.planned(0, 0)
        for future in as_completed(prepared):
            error = future.exception()
            if isinstance(error, VideoSetError):
                failed[prepared[future][0]] = str(error)
            elif error is not None:
                raise error
    _remove_leftovers(library.cache.sources(library.shelf.name))
    return DownloadSummary(
        commit=fetcher.archives.commit if fetcher else None,
        fetched_clips=len(fetched),
        fetched_bytes=fetcher.archives.fetched_bytes if fetcher else 0,
        present_clips=len(manifest.videos) - len(absent),
        failed=failed,
    )


def _remove_leftovers(folder: Path) -> None:
    # Parts are useless once their video is complete; a process killed just then leaves them behind.
    for part in folder.glob(".*.part"):
        clip_id = part.name[1:].rsplit(".", 2)[0]
        if (folder / f"{clip_id}.mp4").is_file():
            part.unlink(missing_ok=True)


def _mirror(source: HubSource, repo: str | None, revision: str | None) -> HubSource:
    named = {"repo": repo or source.repo, "revision": revision or source.revision}
    try:
        return HubSource.model_validate({**source.model_dump(), **named})
    except ValidationError as error:
        raise InvalidArgument(
            f"--repo {named['repo']} --revision {named['revision']} names no dataset: give OWNER/NAME and a revision."
        ) from error


def _fetch_all(
    fetch: _Fetch,
    members: Mapping[str, Member],
    connections: int,
    then: Callable[[str], None],
    failed: dict[str, str],
) -> list[str]:
    waiting: queue.SimpleQueue[tuple[str, Member]] = queue.SimpleQueue()
    outcomes: queue.SimpleQueue[tuple[str, Exception | None]] = queue.SimpleQueue()
    for pair in members.items():
        waiting.put(pair)

    def work() -> None:
        while not fetch.stop:
            try:
                clip_id, member = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                fetch.clip(clip_id, member)
            except Exception as error:
                outcomes.put((clip_id, error))
            else:
                outcomes.put((clip_id, None))

    # Daemon threads, unlike those of a pool, are not waited for at exit; a silent server can hold one for minutes.
    for k in range(min(connections, len(members))):
        threading.Thread(target=work, name=f"fetch-{k}", daemon=True).start()
    done: list[str] = []
    try:
        for _ in members:
            clip_id, error = outcomes.get()
            if error is None:
                done.append(clip_id)
                then(clip_id)
            elif isinstance(error, VideoSetError) and not isinstance(error, HubUnreachable):
                failed[clip_id] = str(error)
            else:
                raise error  # without the Hub the others would fail too, each after its own time-out
    finally:
        fetch.stop = True
    return done


class _Fetch:
    """Fetches members of remote archives and stores them as clips' videos in the cache."""

    def __init__(self, cache: Cache, shelf: str, archives: HubArchives, events: DownloadEvents) -> None:
        self.archives = archives
        self.stop = False
        self._cache = cache
        self._shelf = shelf
        self._events = events

    def plan(self, clip_ids: list[str]) -> dict[str, Member]:
        """Finds the clips in the archives. Raises `VideoSetError` if the disk has too little room for them."""
        members = find_members(self.archives.open_all(), clip_ids)
        packed = sum(member.size for member in members.values())
        folder = self._cache.sources(self._shelf)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
        except OSError as error:
            raise write_error(folder, error) from error
        here = sum(part.stat().st_size for part in folder.glob(".*.part"))
        if free + here < packed:
            raise VideoSetError(
                f"The clips take {packed / 1e6:.1f} MB and {folder} has {free / 1e6:.1f} MB left: free some space, "
                "or set NATURAL_MUJOCO_HOME to a folder with room."
            )
        self._events.planned(len(members), packed)
        return members

    def clip(self, clip_id: str, member: Member) -> None:
        """Fetches, checks and stores one clip's video, unless another process has done so meanwhile."""
        target = self._cache.downloaded(self._shelf, clip_id)
        with self._cache.lock(self._shelf, "sources", clip_id, stopped=lambda: self.stop):
            if target.is_file():
                self._events.skipped(member.size)
            else:
                part = target.with_name(f".{clip_id}.{self._tag(member)}.part")
                try:
                    self._fetch_and_unpack(part, target, clip_id, member)
                except DamagedMember:
                    # The part's beginning may be from an earlier, faulty download: try once more from the start.
                    part.unlink(missing_ok=True)
                    self._events.skipped(-member.size)
                    self._fetch_and_unpack(part, target, clip_id, member)
                part.unlink(missing_ok=True)
        self._events.clip_fetched(clip_id)

    def _fetch_and_unpack(self, part: Path, target: Path, clip_id: str, member: Member) -> None:
        self._fetch_part(part, member)
        with replacing(target) as file:
            sha256 = unpack(part, member, file)
            record = SourceRecord(
                repo=self.archives.repo,
                commit=self.archives.commit,
                archive=member.archive,
                member=member.info.filename,
                bytes=member.info.file_size,
                sha256=sha256,
            )
            # The record is written before the video, so that every video has one.
            with replacing(record_path(self._cache, self._shelf, clip_id)) as beside:
                beside.write(record.model_dump_json(indent=1).encode())

    def _fetch_part(self, part: Path, member: Member) -> None:
        try:
            with open(part, "ab") as file:
                have = file.tell()
                if have > member.size:
                    file.truncate(0)
                    have = 0
                self._events.skipped(have)
                while have < member.size:
                    if self.stop:
                        raise VideoSetError("The download was stopped.")
                    start = member.start + have
                    data = self.archives.read(member.archive, start, min(start + PIECE_BYTES, member.stop))
                    file.write(data)
                    file.flush()
                    have += len(data)
                    self._events.fetched(len(data))
        except OSError as error:
            raise write_error(part, error) from error

    def _tag(self, member: Member) -> str:
        origin = f"{self.archives.repo}@{self.archives.commit}/{member.archive}:{member.start}-{member.stop}"
        return hashlib.sha256(f"{origin}:{member.info.CRC}".encode()).hexdigest()[:16]
