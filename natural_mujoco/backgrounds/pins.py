"""The lock file of a shelf: the sha256 of every clip's first preparation on this machine.

A clip whose manifest pins no hash is trusted when it is first prepared, and must have the same hash from then on. The
file is plain JSON, `{clip: {size: sha256}}` and `{".revisions": {"repo@revision": commit}}`. Copied to another machine
before clips are prepared there, it makes that machine use the same commit and frames. `obtain.pinning` writes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from natural_mujoco.backgrounds.cache import Cache
from natural_mujoco.backgrounds.manifest import Sha256
from natural_mujoco.errors import FileError, VideoSetError
from natural_mujoco.files import read_json

REVISIONS = ".revisions"
"""The key of the commits; clips' ids never begin with a dot."""

_PINS = TypeAdapter(dict[str, dict[int, Sha256]])
_COMMITS = TypeAdapter(dict[str, Annotated[str, Field(max_length=200)]])


class LockFile:
    """The lock file of one shelf, which is read again whenever another process has replaced it."""

    def __init__(self, cache: Cache, shelf: str) -> None:
        self.path: Path = cache.pins(shelf)
        self._seen: tuple[int, int, int] | None = None
        self._pins: dict[str, dict[int, str]] = {}
        self._commits: dict[str, str] = {}

    def get(self, key: str, size: int) -> str | None:
        """The recorded hash of clip `key` at `size`, or None. Raises `VideoSetError` for a damaged file."""
        return self.all().get(key, {}).get(size)

    def all(self) -> dict[str, dict[int, str]]:
        """All recorded hashes by clip and size. Raises `VideoSetError` for a damaged file."""
        self._reread()
        return self._pins

    def commits(self) -> dict[str, str]:
        """The commit to which each dataset's revision, `"repo@revision"`, was first resolved. Raises as `all` does."""
        self._reread()
        return self._commits

    def _reread(self) -> None:
        try:
            status = self.path.stat()
            seen = (status.st_size, status.st_mtime_ns, status.st_ino)
            if seen != self._seen:
                content = dict(read_json(self.path))
                self._commits = _COMMITS.validate_python(content.pop(REVISIONS, {}))
                self._pins = _PINS.validate_python(content)
                self._seen = seen
        except FileNotFoundError:
            self._pins, self._commits, self._seen = {}, {}, None
        except (ValidationError, FileError, TypeError, ValueError) as error:
            raise VideoSetError(
                f"The lock file {self.path} is damaged. "
                "Restore it, or delete it to trust the clips as they are now."
            ) from error
        except OSError as error:
            raise VideoSetError(f"Cannot read the lock file {self.path}: {error.strerror}.") from error
