"""Prepares clips: turns a clip's video into a file of frames and checks their hash.

- `prepare_here`: prepares one clip in this process; other processes may do the same at the same time.
- `prepare_apart`: does so in a separate process, so that a damaged video cannot crash this one.
- `prepare`, `Preparers`: prepare many clips, on all cores.
- `obtain_frames`: the frames of a clip that is not prepared yet or was never hashed.
- `missing_clips_message`: the message for a user whose machine lacks clips.
"""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from natural_mujoco.backgrounds.clip_file import FileIdentity, Frames, frames_sha256, read_check
from natural_mujoco.backgrounds.library import VideoLibrary
from natural_mujoco.backgrounds.manifest import (
    MAX_FRAMES,
    FolderSource,
    GeneratedSource,
    HubSource,
    LocalSource,
    Manifest,
    Video,
)
from natural_mujoco.backgrounds.obtain.ahead import Ahead, is_wanted
from natural_mujoco.backgrounds.obtain.clip_writer import record_check, write_clip
from natural_mujoco.backgrounds.obtain.decode import read_squares
from natural_mujoco.backgrounds.obtain.pinning import hold_to_record
from natural_mujoco.backgrounds.obtain.preparing_process import PreparingProcess
from natural_mujoco.backgrounds.obtain.sources import file_sha256
from natural_mujoco.errors import VideoSetError
from natural_mujoco.processes import usable_cores

SHORTFALL = 2
"""How many frames may be missing from a clip, as copies of the same video differ by a frame or two at the end."""

_GENERATED_BYTES = 128 * 2**20


def prepare_here(
    library: VideoLibrary,
    clip_id: str,
    size: int,
    replace: bool = False,
    on_frames: Callable[[int], None] = lambda count: None,
) -> None:
    """Prepares one clip at `size` pixels, unless it is prepared already and `replace` is false.

    `on_frames(count)` is called when the clip's lock is held and after every batch, with the number of frames done.
    Raises `VideoSetError` if the clip's video is missing, cannot be decoded, is too short or is not the recorded one,
    or if the cache cannot be written; the cache then stays as it was.
    """
    video = library.video(clip_id)
    path = library.clip_path(video, size)
    with library.cache.lock(library.shelf.name, str(size), library.key(video)):
        on_frames(0)
        if path.is_file() and not replace:  # another process may have been faster
            return

        def check(sha256: str, count: int) -> None:
            _check_length(library.manifest, video, count)
            _check_hash(library, video, size, sha256)

        digest = write_clip(path, _counted(_frames(library, video, size), on_frames), size, check)
        record_check(path, digest, FileIdentity.of(path))


def prepare_apart(library: VideoLibrary, clip_id: str, size: int, replace: bool = False) -> None:
    """Runs `prepare_here` in a separate process, which ends afterwards; in this process for generated clips."""
    if library.is_generated:
        prepare_here(library, clip_id, size, replace)
        return
    video = library.video(clip_id)
    if library.source(video) is None:
        raise VideoSetError(missing_clips_message(library, [clip_id]))
    with PreparingProcess() as process:
        _prepare_with(process, library, clip_id, size, replace=replace)


def prepare_ahead(library: VideoLibrary, clip_ids: Iterable[str], size: int) -> None:
    """Prepares clips in the background, in this order, if cores are free and the library is not preparing others."""
    if not is_wanted() or (library.preparing is not None and library.preparing.is_running):
        return
    waiting = [
        clip_id
        for clip_id in dict.fromkeys(clip_ids)
        if not library.is_prepared(clip_id, size)
        and (library.is_generated or library.source(library.video(clip_id)) is not None)
    ]
    if waiting:
        library.preparing = Ahead(library, waiting, size, _prepare_with)


def obtain_frames(
    library: VideoLibrary, video: Video, size: int, coming: Iterable[str] = ()
) -> tuple[Frames, FileIdentity]:
    """The frames of a clip, which are prepared and hashed now if they were not, and the identity of their file.

    If the clip had to be prepared, the clips in `coming` are prepared in the background from now on. Raises as
    `VideoLibrary.frames` does.
    """
    opened = library.open_prepared(video, size)
    if opened is None:
        prepare_apart(library, video.id, size)
        opened = library.open_prepared(video, size)
        if opened is None:
            raise VideoSetError(f"{library.clip_path(video, size)} was removed while it was being prepared.")
        prepare_ahead(library, coming, size)
    frames, identity = opened
    path, expected = library.clip_path(video, size), library.pinned(video, size)
    if expected is None or read_check(path, identity) != expected:
        found = frames_sha256(frames)
        expected = hold_to_record(library, video, size, found)
        if expected is not None:
            raise VideoSetError(
                f"The prepared frames of {video.id} at {size} px are not what was recorded (sha256 "
                f"{found[:12]}…, not {expected[:12]}…). {library.remedy()}"
            )
        record_check(path, found, identity)
    return frames, identity


def prepare(library: VideoLibrary, clip_ids: Iterable[str], size: int, workers: int | None = None) -> None:
    """Prepares clips of a set at one size, on all cores. Tries all of them, then raises as `prepare_here` does."""
    with Preparers(library, workers) as preparers:
        futures = [preparers.submit(clip_id, size) for clip_id in clip_ids]
    for future in futures:
        future.result()


def _prepare_with(
    process: PreparingProcess,
    library: VideoLibrary,
    clip_id: str,
    size: int,
    stopped: Callable[[], bool] = lambda: False,
    replace: bool = False,
    on_frames: Callable[[int], None] | None = None,
) -> None:
    if library.is_prepared(clip_id, size) and not replace:
        return
    # Processes that need the same clip take turns, so that one decodes it and the others find it prepared.
    key = library.key(library.video(clip_id))
    with library.cache.lock("turns", library.shelf.name, str(size), key, stopped=stopped):
        if replace or not library.is_prepared(clip_id, size):
            process.prepare(library, clip_id, size, replace, on_frames)


class Preparers:
    """Processes that prepare clips of one set, by default one for each core.

    Use it as a context manager. Leaving it waits for all clips that were submitted. On an exception (Ctrl-C) it stops
    at once: half-written clips are discarded, finished ones are kept.
    """

    def __init__(self, library: VideoLibrary, workers: int | None = None) -> None:
        self._library = library
        self._threads = ThreadPoolExecutor(workers or default_workers(), thread_name_prefix="preparer")
        self._local = threading.local()
        self._processes: list[PreparingProcess] = []
        self._stopped = False

    def __enter__(self) -> Preparers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None:
                self._stop()
            self._threads.shutdown(wait=True)
        except BaseException:  # Ctrl-C while waiting
            self._stop()
            raise
        finally:
            for process in self._processes:
                process.close()

    def _stop(self) -> None:
        self._stopped = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.kill()
        self._threads.shutdown(wait=True)

    def submit(
        self, clip_id: str, size: int, replace: bool = False, on_frames: Callable[[int], None] | None = None
    ) -> Future[None]:
        """Prepares a clip as soon as a process is free. The future raises as `prepare_here` does."""
        return self._threads.submit(self._prepare, clip_id, size, replace, on_frames)

    def _prepare(
        self, clip_id: str, size: int, replace: bool, on_frames: Callable[[int], None] | None
    ) -> None:
        if not hasattr(self._local, "process"):
            self._local.process = PreparingProcess()  # starts with its first job
            self._processes.append(self._local.process)
        process, stopped = self._local.process, lambda: self._stopped
        _prepare_with(process, self._library, clip_id, size, stopped, replace, on_frames)


def default_workers() -> int:
    """Number of processes that prepare clips: one for each core this process may use, at most 16."""
    return min(usable_cores(), 16)


def missing_clips_message(library: VideoLibrary, clip_ids: Sequence[str]) -> str:
    """The message that names clips (up to three) which are not on this machine, and says how to get them."""
    manifest, argument = library.manifest, shlex.quote(library.argument)
    named = ", ".join(clip_ids[:3]) + (f" and {len(clip_ids) - 3} more" if len(clip_ids) > 3 else "")
    if isinstance(manifest.source, HubSource):
        remedy = f"`natural-mujoco videos download {argument}` gets them."
    elif isinstance(manifest.source, LocalSource):
        remedy = f"{manifest.source.obtain} Then `natural-mujoco videos import {argument} --from DIR`."
    elif isinstance(manifest.source, FolderSource):
        remedy = f"Put them back into {manifest.source.path}, or open the folder anew."
    else:
        remedy = "They are generated; report this."
    return f"Clips of {manifest.name} are not on this machine: {named}. {remedy}"


def _frames(library: VideoLibrary, video: Video, size: int) -> Iterator[Frames]:
    manifest = library.manifest
    if isinstance(manifest.source, GeneratedSource):
        yield from _generated(video, size)
        return
    source = library.source(video)
    if source is None:
        raise VideoSetError(missing_clips_message(library, [video.id]))
    try:
        changed = video.file_sha256 is not None and file_sha256(source) != video.file_sha256
    except OSError as error:
        raise VideoSetError(f"Cannot read {error.filename or source}: {error.strerror}.") from error
    if changed:
        raise VideoSetError(f"{source} has changed since its folder was opened: open the folder anew.")
    yield from read_squares(source, size, min(video.frames or MAX_FRAMES, MAX_FRAMES))


def _generated(video: Video, size: int) -> Iterator[Frames]:
    from natural_mujoco.backgrounds.embedded.generate import EMBEDDED_FRAMES, generate_frames

    step = max(1, _GENERATED_BYTES // (size * size * 3))
    for start in range(0, EMBEDDED_FRAMES, step):
        yield generate_frames(video.id, size, range(start, min(EMBEDDED_FRAMES, start + step)))


def _counted(batches: Iterator[Frames], on_frames: Callable[[int], None]) -> Iterator[Frames]:
    count = 0
    for batch in batches:
        yield batch
        count += len(batch)
        on_frames(count)


def _check_length(manifest: Manifest, video: Video, count: int) -> None:
    if video.frames is not None and count < min(video.frames, MAX_FRAMES) - SHORTFALL:
        raise VideoSetError(
            f"The video of {video.id} has {count} frames, and {manifest.name} says {video.frames}: it is damaged or "
            "another one. Get it anew."
        )


def _check_hash(library: VideoLibrary, video: Video, size: int, sha256: str) -> None:
    expected = hold_to_record(library, video, size, sha256)
    if expected is not None:
        where = "the manifest" if size in video.sha256 else str(library.pins.path)
        raise VideoSetError(
            f"Preparing {video.id} at {size} px gives other frames (sha256 {sha256[:12]}…) than recorded in "
            f"{where} ({expected[:12]}…): its video is damaged or another one. Get it anew."
        )
