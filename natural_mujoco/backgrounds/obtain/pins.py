"""The lock file of a collection: the sha256 of every clip's first preparation on this machine.

A clip whose manifest pins no hash is trusted on first use and held to it from then on. The file is plain
JSON, `{clip: {size: sha256}}`; copying it to another machine before preparing holds that machine to the
same frames.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from natural_mujoco.backgrounds.cache import Cache, replacing
from natural_mujoco.backgrounds.manifest import Sha256
from natural_mujoco.errors import VideoSetError

_PINS = TypeAdapter(dict[str, dict[int, Sha256]])


class LockFile:
    """The lock file of one collection, reread whenever another process has replaced it."""

    def __init__(self, cache: Cache, collection: str) -> None:
        self._cache = cache
        self._collection = collection
        self._seen: tuple[int, int, int] | None = None
        self._pins: dict[str, dict[int, str]] = {}

    @property
    def path(self) -> Path:
        return self._cache.pins(self._collection)

    def get(self, key: str, size: int) -> str | None:
        """The recorded hash of clip `key` at `size`, or None. Raises `VideoSetError` for a damaged file."""
        self._reread()
        return self._pins.get(key, {}).get(size)

    def record(self, key: str, size: int, sha256: str) -> str:
        """Record the hash unless one is recorded already, and return the one that holds.

        Raises `VideoSetError` if the file is damaged or cannot be written.
        """
        with self._cache.lock("pins", self._collection):
            self._reread()
            held = self._pins.get(key, {}).get(size)
            if held is not None:
                return held
            pins = {**self._pins, key: {**self._pins.get(key, {}), size: sha256}}
            text = json.dumps(pins, indent=1)
            with replacing(self.path) as file:
                file.write(text.encode())
            self._reread()
            return sha256

    def _reread(self) -> None:
        try:
            status = self.path.stat()
            seen = (status.st_size, status.st_mtime_ns, status.st_ino)
            if seen == self._seen:
                return
            self._pins = _PINS.validate_json(self.path.read_bytes())
            self._seen = seen
        except FileNotFoundError:
            self._pins, self._seen = {}, None
        except ValidationError as error:
            raise VideoSetError(
                f"The lock file {self.path} is damaged. "
                "Restore it, or delete it to trust the clips as they are now."
            ) from error
        except OSError as error:
            raise VideoSetError(f"Cannot read the lock file {self.path}: {error.strerror}.") from error
