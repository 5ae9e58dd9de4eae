"""Files that are whole or not there, locks between processes, and JSON that is not believed: the one home of each.

- `replacing`: a file written beside its place, synced and renamed; `write_bytes`, `write_json` in one call.
- `replacing_folder`: the same for a folder.
- `holding`: a lock file held across processes; who holds it is said in `LockHeld`.
- `read_bytes`, `read_json`, `parse_json`: bounded reading of what others may have written.
- `write_fault`: the sentence for an `OSError` met while writing.

Temporary names are random and created with `O_EXCL | O_NOFOLLOW`, so that nobody who may write to the same folder can
make a write follow a link of theirs.
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
"""More than any JSON file of this package needs."""

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

    `otherwise` is the other way out, such as "give --out another place"; it is joined by "or".

    >>> write_fault(Path("a.json"), OSError(errno.ENOSPC, "No space left"), "give --out another place")
    'Cannot write a.json. The disk is full: free some space, or give --out another place.'
    """
    remedy = _WRITE_REMEDIES.get(error.errno or 0, f"{error.strerror or error}: mend that")
    return f"Cannot write {path}. {remedy}{f', or {otherwise}' if otherwise else ''}."


def file_error(path: Path, error: OSError) -> FileError:
    """The `FileError` with `write_fault`'s sentence: what `replacing` raises unless told otherwise."""
    return FileError(write_fault(path, error))


@contextmanager
def replacing(path: Path, fault: Fault = file_error, alone: bool = False) -> Iterator[BinaryIO]:
    """Open a new `path` for writing; it appears under its name whole and on disk, or not at all.

    Its folder is made if there is none. A link at `path` is replaced, not followed. `alone` says that the caller
    holds a lock under which alone `path` is written: what killed writers left beside it is removed first.

    Raises `fault(path, error)` for an `OSError` of writing (by default `FileError`); the previous `path`, if any, then
    stays as it was. What the body raises for other reasons, reading elsewhere among them, passes unchanged.
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
    """The file being written: tells its own errors from those of whatever else the writer does meanwhile."""

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
    """`replacing` for a file whose bytes are at hand."""
    with replacing(path, fault, alone) as file:
        file.write(data)


def write_json(path: Path, value: object, fault: Fault = file_error, indent: int | None = None) -> None:
    """Replace `path` by `value` as JSON, UTF-8, one line feed at the end. Raises as `replacing`.

    Raises `ValueError` for NaN and infinities, which are no JSON, before anything is written.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    write_bytes(path, text.encode() + b"\n", fault)


@contextmanager
def replacing_folder(path: Path, fault: Fault = file_error) -> Iterator[Path]:
    """A new, empty folder beside `path` to fill; when the body ends it takes the place of `path`, or never.

    The caller holds a lock under which alone `path` is written. Between taking the old folder away and putting the
    new one there, a kill leaves no `path` for readers; the next call puts the old one back first.

    Raises `FileError` if `path` is a link, and `fault(path, error)` if a folder cannot be made or moved.
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
    """Hold the lock file `path` across processes and threads, waiting up to `wait_s` seconds for it.

    `what` says what the holder is doing; it is noted beside the lock with the process's number, for the error that
    others see. The system lets go of the lock when the process ends, however it ends. The files stay.

    Raises `LockHeld` if another holds it for longer than `wait_s`, or if `stopped` becomes true meanwhile, and
    `fault(path, error)` if the lock file cannot be made.
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
            # Short waits, so that Ctrl-C and `stopped` are heard.
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
    """The bytes of a plain file of at most `limit` bytes; a pipe, a device or a folder is never waited for.

    Raises `FileNotFoundError` if there is none, `FileError` if it is no plain file, too large or unreadable.
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
    """The value in a JSON file, read as `read_bytes` and `parse_json` do. Check its shape with a pydantic model."""
    return parse_json(read_bytes(path, limit), str(path))


def parse_json(data: bytes | str, source: str) -> Any:
    """The value of one JSON text that came from `source` (a file's name, for the error).

    Raises `FileError` for what is no JSON in UTF-8, and for what Python's parser lets through: a key that appears
    twice, NaN, numbers that are no finite float or have thousands of digits, and nesting without end.
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
        with suppress(OSError):  # another user's, in a shared folder: it does no harm
            _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system lets folders be opened."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    with contextlib.suppress(OSError):  # some network file systems sync no folders; the rename itself stands
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
