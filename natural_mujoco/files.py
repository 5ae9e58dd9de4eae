"""Atomic writing of files and folders, locks between processes, and careful reading of untrusted JSON.

- `replacing`: writes a file under a temporary name, syncs and renames it; `write_bytes`, `write_json` in one call.
- `replacing_folder`: the same for a folder.
- `holding`: holds a lock file across processes; the `LockHeld` that others get names the holder.
- `read_bytes`, `read_json`, `parse_json`: bounded reading of files that others may have written.
- `write_fault`: the sentence for an `OSError` met while writing.

Temporary files have random names and are created with `O_EXCL | O_NOFOLLOW`, so that another user who can write to the
same folder cannot redirect a write by placing a link there.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import io
import json
import math
import os
import platform
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import filelock

from natural_mujoco.errors import FileError, LockHeld

JSON_BYTES = 32 * 2**20
"""Largest JSON file that is read, in bytes; more than any file of this package needs."""

Fault = Callable[[Path, OSError], Exception]

_WRITE_REMEDIES = {
    errno.ENOSPC: "The disk is full: free some space",
    errno.EDQUOT: "The disk quota is used up: free some space",
    errno.EFBIG: "The file system or a resource limit refuses files of this size: raise the limit",
    errno.EROFS: "The file system is read-only: make it writable",
    errno.EACCES: "The folder is not yours to write: change its permissions",
    errno.EPERM: "The folder is not yours to write: change its permissions",
    errno.ENOTDIR: "A file stands where a folder should be: move it away",
    errno.EEXIST: "A file stands where a folder should be: move it away",
    errno.EISDIR: "A folder stands in its place: move it away",
    errno.EMFILE: "This process has too many open files: raise `ulimit -n`",
    errno.ELOOP: "A link there leads in a circle: remove it",
    errno.ENAMETOOLONG: "The name is too long: shorten it",
}


def write_fault(path: Path, error: OSError, otherwise: str = "") -> str:
    """The sentence for an `OSError` met while writing `path`: what the system says, and the remedy.

    `otherwise` is a second remedy, such as "give --out another place", which is joined by "or".

    >>> write_fault(Path("a.json"), OSError(errno.ENOSPC, "No space left"), "give --out another place")
    'Cannot write a.json. The disk is full: free some space, or give --out another place.'
    """
    remedy = _WRITE_REMEDIES.get(error.errno or 0, f"{error.strerror or error}: mend that")
    return f"Cannot write {path}. {remedy}{f', or {otherwise}' if otherwise else ''}."


def file_error(path: Path, error: OSError) -> FileError:
    """A `FileError` with `write_fault`'s sentence; the default error of the functions here that write."""
    return FileError(write_fault(path, error))


@contextmanager
def replacing(path: Path, fault: Fault = file_error, alone: bool = False) -> Iterator[BinaryIO]:
    """Opens a file that replaces `path` when the body ends: complete and synced to disk, or not at all.

    The folder is created if it is missing. A link at `path` is replaced, not followed. With `alone`, the caller
    guarantees by a lock that nobody else writes `path`; temporary files of writers that were killed are then removed
    first.

    Raises `fault(path, error)` (by default a `FileError`) for an `OSError` while writing; `path` then stays as it was.
    Errors that the body raises for other reasons, such as reading another file, pass unchanged.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if alone:
            _remove_leftovers(path)
        temporary = _beside(path, "tmp")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        raw = _Temporary(os.open(temporary, flags, 0o666), path, fault)
    except OSError as error:
        raise fault(path, error) from error
    try:
        with io.BufferedRandom(raw) as file:
            yield file
            file.flush()
            raw.sync()
        try:
            os.replace(temporary, path)
            _sync_folder(path.parent)
        except OSError as error:
            raise fault(path, error) from error
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


class _Temporary(io.FileIO):
    """The file being written: turns its own `OSError`s into `fault`, to tell them from other errors in the body."""

    def __init__(self, descriptor: int, path: Path, fault: Fault) -> None:
        super().__init__(descriptor, "r+b")
        self._path, self._fault = path, fault

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise self._fault(self._path, error) from error

    def sync(self) -> None:
        try:
            os.fsync(self.fileno())
        except OSError as error:
            raise self._fault(self._path, error) from error


def write_bytes(path: Path, data: bytes, fault: Fault = file_error, alone: bool = False) -> None:
    """Replaces `path` by a file that holds `data`. Raises as `replacing` does."""
    with replacing(path, fault, alone) as file:
        file.write(data)


def write_json(path: Path, value: object, fault: Fault = file_error, indent: int | None = None) -> None:
    """Replaces `path` by `value` as JSON in UTF-8 with a line feed at the end. Raises as `replacing` does.

    Raises `ValueError` for NaN and infinities, which JSON does not have, before anything is written.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    write_bytes(path, text.encode() + b"\n", fault)


@contextmanager
def replacing_folder(path: Path, fault: Fault = file_error) -> Iterator[Path]:
    """Gives a new, empty folder to fill, which replaces `path` when the body ends without an error.

    The caller must hold a lock, so that nobody else writes `path`. The old folder is moved away before the new one is
    put there; if the process is killed between the two, `path` is missing until the next call restores the old folder.

    Raises `FileError` if `path` is a link, and `fault(path, error)` if a folder cannot be created or moved.
    """
    path = Path(os.path.abspath(path))
    if path.is_symlink():
        raise FileError(f"{path} is a link: give the folder it leads to, or another.")
    new, old = _beside(path, "tmp"), _beside(path, "old")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for aside in _leftovers(path, "old"):
            if not path.exists():
                os.replace(aside, path)
        _remove_leftovers(path)
        new.mkdir()
    except OSError as error:
        raise fault(path, error) from error
    try:
        yield new
        try:
            if path.exists():
                os.replace(path, old)
            os.replace(new, path)
            _sync_folder(path.parent)
        except OSError as error:
            if old.exists() and not path.exists():
                os.replace(old, path)
            raise fault(path, error) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
        if path.exists():
            _remove(old)


@contextmanager
def holding(
    path: Path,
    what: str = "",
    wait_s: float = 0.0,
    stopped: Callable[[], bool] = lambda: False,
    fault: Fault = file_error,
) -> Iterator[None]:
    """Holds the lock file `path` across processes and threads, waiting up to `wait_s` seconds for it.

    `what` says what the holder is doing. It is written beside the lock together with the process id, for the error that
    others see. The system releases the lock when the process ends, however it ends. The files stay.

    Raises `LockHeld` if another process still holds the lock after `wait_s` or `stopped()` becomes true while waiting,
    and `fault(path, error)` if the lock file cannot be created.
    """
    lock = filelock.FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _acquire(lock, path, wait_s, stopped)
    except OSError as error:
        raise fault(path, error) from error
    try:
        if what:
            with suppress(FileError):
                write_json(_holder(path), {"what": what, "pid": os.getpid(), "host": platform.node()})
        yield
    finally:
        lock.release()


def _acquire(lock: filelock.BaseFileLock, path: Path, wait_s: float, stopped: Callable[[], bool]) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            # Short waits, so that Ctrl-C and `stopped` take effect.
            lock.acquire(timeout=max(0.0, min(0.5, deadline - time.monotonic())))
            return
        except filelock.Timeout:
            if stopped():
                raise LockHeld(f"Waiting for {path} was stopped.") from None
            if time.monotonic() >= deadline:
                waited = f" for {wait_s:.0f} s" if wait_s >= 1 else ""
                raise LockHeld(
                    f"{_held_by(path)} has held {path}{waited}. Wait for it, or end it if it hangs."
                ) from None


def _held_by(path: Path) -> str:
    try:
        note = read_json(_holder(path), 2**12)
        assert isinstance(note, dict)
        what, host = str(note["what"])[:200], str(note["host"])[:100]
        return f"{what} (process {int(note['pid'])} on {host})"
    except (FileError, OSError, AssertionError, LookupError, ValueError, TypeError):
        return "Another process"


def _holder(path: Path) -> Path:
    return path.with_name(f"{path.name}.holder")


def read_bytes(path: Path, limit: int = JSON_BYTES) -> bytes:
    """The bytes of a regular file of at most `limit` bytes. Never blocks on a pipe or a device.

    Raises `FileNotFoundError` if there is no file, `FileError` if it is not a regular file, too large or unreadable.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise FileError(f"{path} is no plain file.")
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror or error}.") from error
    if len(data) > limit:
        raise FileError(f"{path} is larger than the {limit:,} bytes that such a file may have.")
    return data


def read_json(path: Path, limit: int = JSON_BYTES) -> Any:
    """The value in a JSON file. Raises as `read_bytes` and `parse_json` do. Check its shape with a pydantic model."""
    return parse_json(read_bytes(path, limit), str(path))


def parse_json(data: bytes | str, source: str) -> Any:
    """The value of a JSON text; `source`, such as a file's name, says in errors where it came from.

    Raises `FileError` for invalid JSON or UTF-8, and for what Python's parser would accept or fail on with another
    error: a key that appears twice, NaN and infinities, numbers with thousands of digits, and too deep nesting.
    """
    try:
        return json.loads(
            data.decode("utf-8") if isinstance(data, bytes) else data,
            object_pairs_hook=_unique,
            parse_constant=_refuse_number,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise FileError(f"{source} is no JSON: byte {error.start} is no UTF-8.") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise FileError(f"{source} is no JSON: {error.msg} at {where}.") from error
    except RecursionError as error:
        raise FileError(f"{source} is nested too deep.") from error
    except ValueError as error:
        raise FileError(f"{source}: {error}.") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:60]!r} appears twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)


def _refuse_number(text: str) -> float:
    raise ValueError(f"{text[:40]} is no finite number")


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f"{_prefix(path)}{secrets.token_hex(8)}.{kind}")


def _prefix(path: Path) -> str:
    name = path.name
    if len(os.fsencode(name)) > 200:  # file systems allow 255 bytes in all
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return f".{name}."


def _leftovers(path: Path, kind: str) -> list[Path]:
    return list(path.parent.glob(f"{glob.escape(_prefix(path))}{'[0-9a-f]' * 16}.{kind}"))


def _remove_leftovers(path: Path) -> None:
    for left in (*_leftovers(path, "tmp"), *_leftovers(path, "old")):
        with suppress(OSError):  # it may be another user's, in a shared folder; it does no harm there
            _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Syncs `folder`, so that a rename in it survives a power cut, on systems where folders can be opened."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with contextlib.suppress(OSError):  # some network file systems cannot sync folders
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
